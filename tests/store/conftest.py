import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

HOLDER = Path(__file__).with_name("holder.py")


@pytest.fixture
def holding():
    """Start a second process, which opens books to write them."""

    @contextmanager
    def holding(url):
        with subprocess.Popen(  # noqa: S603
            [sys.executable, HOLDER, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with process.stdin:
                said = process.stdout.readline().strip()
                yield process, said

    return holding
