"""
Homes of the books: SQLite for one machine, PostgreSQL where it grows, memory for tests.

A store writes what the core decided, reads it back, and decides nothing. No rule is in
SQL: the database keeps rows, in one transaction a batch.
"""

from coopera.store.base import Batch, Cell, Head, Store, StoreFailed
from coopera.store.memory import MemoryStore

__all__ = ["Batch", "Cell", "Head", "MemoryStore", "Store", "StoreFailed"]
