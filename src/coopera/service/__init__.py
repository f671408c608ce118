"""
The running network: one writer that everybody's commands go through.

`books` turns commands into rows, over the core and the `state` of a store; `writer`
queues them, commits them in groups and answers once they are durable. Besides, it gives
the commands that the `agenda` finds to be due, and those that follow by the `market`,
which asks the `scheduler` who gets what. `beacon` keeps the operator's chain of hashes.
"""

from coopera.service.books import Books, Request
from coopera.service.writer import Writer

__all__ = ["Books", "Request", "Writer"]
