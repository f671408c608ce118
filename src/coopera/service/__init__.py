"""
The running network: one writer that everybody's commands go through.

`books` turns commands into rows, over the core; `writer` queues them, commits them in
groups and answers once they are durable.
"""

from coopera.service.books import Books, Request
from coopera.service.writer import Writer

__all__ = ["Books", "Request", "Writer"]
