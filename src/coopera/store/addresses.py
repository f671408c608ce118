"""Addresses of books: the path of a file, or a database's."""

import re
from typing import Final

from coopera.errors import BadBooks

POSTGRES: Final = ("postgresql://", "postgres://")
"""How the address of a PostgreSQL database starts; any other is the path of a file."""

ADDRESS: Final = re.compile(
    r"(?P<scheme>postgres(?:ql)?://)"
    r"(?:(?P<user>[^:@/?#]*)(?::[^@/?#]*)?@)?"
    r"(?P<place>(?:[^:@/?#]|:[0-9]+(?![^,/?])|\[[0-9A-Fa-f:.]+\])*(?:/[^@?#]*)?)"
    r"(?:\?[^@]*)?"
)
"""Address of which it is sure what the password is; parameters may have it, too."""


def shown(url: str) -> str:
    """
    Show an address without its password, and without parameters.

    >>> shown("postgresql://me:secret@db/books?sslmode=require")
    'postgresql://me@db/books'
    """
    if not url.startswith(POSTGRES):
        return url
    found = ADDRESS.fullmatch(url)
    if found is None:
        return f"{url.partition('://')[0]}://..."
    user = f"{found['user']}@" if found["user"] else ""
    return f"{found['scheme']}{user}{found['place']}"


def is_server(url: str) -> bool:
    """Tell the address of a database from the path of a file."""
    if url.startswith(POSTGRES):
        return True
    if "://" in url:
        raise BadBooks(
            f"books cannot be at {url.partition('://')[0]}://; name a file, or "
            "postgresql://user:password@host:port/database"
        )
    return False
