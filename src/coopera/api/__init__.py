"""
What there is to be read, over HTTP.

Everything is public, and nothing can be changed: there is no caller to be known, and no
secret to be kept. What is served says by itself who may have it: a proof is worth
nothing to whoever is not paid by it, and the file of all claims is there for anybody.
What is not a route is not there.

No rule stands here. `answers` says how things are answered, `claims` has the routes of
claims, `application` puts all routes together, and `serving` runs them.
"""
