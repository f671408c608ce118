"""A process that holds the right to write, until it is told or killed to let go."""

import sys

from coopera.errors import Refusal
from coopera.store.opening import open_store


def hold(url: str) -> None:
    try:
        store = open_store(url)
    except Refusal as refusal:
        print(refusal.code, flush=True)  # noqa: T201
        sys.exit(3)
    print("holds", flush=True)  # noqa: T201
    sys.stdin.read()
    store.close()


if __name__ == "__main__":
    hold(sys.argv[1])
