"""
Which resource gets a job: the best in rank among those that can do it.

`needs` says what is offered and what is asked, and `reference` is the rule, in plain
Python. `index` finds the same winner among a million offers in microseconds, with the
compiled loops of `kernels`, or says why there is none. `queue` has the jobs that wait.

`needs` and `reference` import no compiler. An index serves one thread.
"""
