"""The command line, run in this process."""

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from coopera.cli import main


class Said(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


def everything():
    """Read all that the books in this folder hold, if there are any."""
    if not Path("books.db").exists():
        return None
    with closing(sqlite3.connect("books.db")) as database:
        return [
            database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for table in ("receipts", "transfers", "balances", "records")
        ]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line: its exit code, what it printed, and what it said."""

    def run_(*arguments):
        monkeypatch.setattr(sys, "argv", ["coopera", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code or 0
        assert isinstance(code, int)
        return Said(code, *capsys.readouterr())

    return run_


@pytest.fixture
def at(stages, tmp_path, monkeypatch):
    """Go to a folder with the books at a stage, of those that a module has."""

    def at_(name):
        shutil.copytree(stages[name], tmp_path, dirs_exist_ok=True)
        return tmp_path

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COOPERA_BOOKS", raising=False)
    return at_


@pytest.fixture
def printed(run):
    """Run a line that must succeed: what it printed, read if that is JSON."""

    def run_(line, *more):
        arguments = (*line.split(), *more)
        code, out, err = run(*arguments)
        assert (code, err) == (0, ""), line
        return json.loads(out) if "--json" in arguments else out

    return run_


@pytest.fixture
def refused(run):
    """
    Run a line that must be refused in one sentence, changing nothing: that.

    Whoever asks for JSON is refused for the same, in JSON and in a sentence.
    """

    def run_(line, *more):
        before = everything()
        arguments = [each for each in (*line.split(), *more) if each != "--json"]
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), line
        assert err.startswith("coopera: "), err
        assert err.count("\n") == 1, err
        as_json = run(*arguments, "--json")
        told = json.loads(as_json.out)["error"]
        if told["code"] != "usage":
            said = f"coopera: {told['message']} [{told['code']}]\n"
            assert (as_json.code, as_json.err) == (2, said)
            assert err.endswith(f"[{told['code']}]\n")
        assert everything() == before
        return err

    return run_
