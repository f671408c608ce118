"""
A process that keeps books under load, until it is killed.

    python child.py URL SEED ACKNOWLEDGED

Several callers at once send random commands, each under a key that its number gives,
and write every outcome to a file once they are told it: what stands there was
acknowledged. A caller that is told to come again does so with the same key.
"""

import itertools
import json
import os
import random
import sys
import threading
import time
from typing import Any

from coopera.errors import AnotherWriter, BadBooks, Busy, Refusal, Unavailable
from coopera.protocol.holds import OpenHold, VoidHold
from coopera.protocol.listing import ListAgent, ListModel
from coopera.protocol.money import Deposit, Move, OpenAccounts
from coopera.protocol.services import CallAgent
from coopera.service import Request, Writer
from coopera.store.opening import open_store

CONSUMERS, SUPPLIERS = 20, 5
CALLERS = 8
PATIENCE_SECONDS = 30


def preparations():
    """List the commands that the others stand on, each with its own key."""
    yield OpenAccounts("creator:ann")
    for n in range(SUPPLIERS):
        yield OpenAccounts(f"supplier:gpu-{n}")
    for n in range(CONSUMERS):
        yield OpenAccounts(f"consumer:c-{n}")
        yield Deposit(f"consumer:c-{n}:credit", "usd", 5_000_000, f"first-{n}")
    yield ListModel("llm", "creator:ann", 3_000_000, 15_000_000)
    yield ListAgent("writer", "creator:ann", "llm", 3_000_000, 15_000_000)


def random_command(rng: random.Random, name: str):
    """Draw a command; some will be refused, for want of money or of a hold."""
    consumer = f"consumer:c-{rng.randrange(CONSUMERS)}"
    supplier = f"supplier:gpu-{rng.randrange(SUPPLIERS)}"
    draw = rng.random()
    if draw < 0.6:
        used = rng.randrange(1, 50_000), rng.randrange(1, 50_000)
        return CallAgent(consumer, "writer", *used, ((supplier, 1),))
    if draw < 0.75:
        soon = time.time_ns() // 1000 + rng.choice((200_000, 60_000_000))
        return OpenHold(f"hold-{name}", consumer, rng.randrange(1, 400_000), soon)
    if draw < 0.8:
        return VoidHold(f"hold-{rng.randrange(10**6)}")
    if draw < 0.9:
        amount = rng.randrange(1, 2_000_000)
        return Deposit(f"{consumer}:credit", "usd", amount, f"paid-{name}")
    return Move(
        f"{supplier}:usd", f"{consumer}:credit", "usd", rng.randrange(1, 100_000)
    )


def keep_books(url: str, seed: int, acknowledged: str) -> None:
    """Send commands until killed."""
    log = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    writer = Writer(opened(url))
    for n, command in enumerate(preparations()):
        told(log, writer, Request(f"prepare-{n:06d}", "operator", command))
    numbers = itertools.count()

    def call(caller: int) -> None:
        rng = random.Random(f"{seed} {caller}")
        for n in numbers:
            name = f"{seed}-{n}"
            command = random_command(rng, name)
            told(
                log,
                writer,
                Request(f"key-{name:>12}".replace(" ", "0"), "operator", command),
            )

    threads = [threading.Thread(target=call, args=(n,)) for n in range(CALLERS)]
    for thread in threads:
        thread.start()
    print("under load", flush=True)
    for thread in threads:
        thread.join()


def told(log: int, writer: Writer, request: Request) -> None:
    """Send a command until something is known of it, and write that down."""
    while True:
        asked = time.monotonic_ns()
        try:
            receipt = writer.execute(request)
        except (Busy, Unavailable):
            time.sleep(0.05)
            continue
        except Refusal as refusal:
            line: list[Any] = [
                request.key,
                refusal.code,
                None,
                asked,
                time.monotonic_ns(),
            ]
        else:
            known = [receipt.id, receipt.hash.hex()]
            line = [request.key, "done", known, asked, time.monotonic_ns()]
        # One write: a line is there as a whole or not at all.
        os.write(log, (json.dumps(line) + "\n").encode())
        return


def opened(url: str):
    """Open the books, waiting for the right to write."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return open_store(url)
        except (AnotherWriter, BadBooks):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    keep_books(sys.argv[1], int(sys.argv[2]), sys.argv[3])
