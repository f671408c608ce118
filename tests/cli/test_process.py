"""The program as a process: signals, pipes, full disks, missing packages."""

import fcntl
import signal
import subprocess
import sys
import time

import pytest

COOPERA = [sys.executable, "-m", "coopera.cli"]
ENOUGH = 120
"""Seconds that no step of these tests takes, even where kernels compile first."""


def run(*arguments, code=None, **options):
    command = [sys.executable, "-c", code] if code else COOPERA
    return subprocess.run(  # noqa: S603 - our own program
        [*command, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=ENOUGH,
        **options,
    )


def assert_one_line(err):
    assert err.startswith("coopera: ")
    assert err.count("\n") == 1, err


def test_refusal_is_one_line_and_exit_code_2(tmp_path):
    done = run("simulate", "minimal", "--runs", "0", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert_one_line(done.stderr)


def test_json_is_alone_on_stdout(tmp_path):
    done = run("simulate", "minimal", "--runs", "3", "--json", cwd=tmp_path)

    assert done.returncode == 0
    assert done.stdout.startswith("{")
    assert done.stdout.endswith("}\n")


def test_document_may_come_through_a_pipe(tmp_path):
    text = run("preset", "paper").stdout

    done = run("check", "/dev/stdin", input=text, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (0, "/dev/stdin can be used\n")


def test_reader_that_leaves_early_is_no_error():
    with subprocess.Popen(  # noqa: S603 - our own program
        [*COOPERA, "params", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


def test_help_needs_neither_simulator_nor_database():
    heavy = {"alembic", "matplotlib", "msgspec", "numba", "numpy", "pyarrow"}
    code = f"import sys, coopera.cli; sys.exit(len({heavy} & set(sys.modules)))"
    assert run(code=code).returncode == 0


WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from coopera.cli import main
main()
"""


@pytest.mark.parametrize("package", ["numba", "pyarrow"])
@pytest.mark.parametrize(
    "arguments",
    [("simulate", "minimal", "--runs", "1"), ("compare", "one", "other")],
    ids=" ".join,
)
def test_missing_package_is_named_with_how_to_install_it(package, arguments):
    done = run(package, *arguments, code=WITHOUT)

    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert f"needs {package}" in done.stderr
    assert "pip install 'coopera[sim]'" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("params", "bond_rate"), ("preset", "paper"), ("--help",)],
    ids=" ".join,
)
def test_settings_are_told_of_without_the_simulator(arguments):
    done = run("numba", *arguments, code=WITHOUT)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check", "lockstep"])
def test_command_does_without_the_simulator_or_says_what_to_install(command):
    done = run("numba", command, "minimal", code=WITHOUT)

    if done.returncode:
        assert done.returncode == 2
        assert_one_line(done.stderr)
        assert "pip install 'coopera[sim]'" in done.stderr


def assert_interrupted(returncode, err):
    assert returncode == 130, err
    # A terminal has shown ^C: what is said starts on a line of its own.
    assert_one_line(err.removeprefix("\n"))
    assert "interrupted" in err


@pytest.mark.parametrize(
    ("options", "appears", "left"),
    [
        (("--runs", "50000000", "--keep", "quantiles"), "out", set()),
        (("--runs", "4000", "--keep", "paths"), "out/.paths*", {"quantiles.parquet"}),
    ],
    ids=["running", "writing"],
)
def test_interrupted_simulation_says_so_and_leaves_no_result(
    tmp_path, options, appears, left
):
    command = [*COOPERA, "simulate", "paper", *options, "--no-report", "--out", "out"]
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for _ in range(ENOUGH * 100):
            if [*tmp_path.glob(appears)] or process.poll() is not None:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()

    assert_interrupted(process.returncode, err)
    assert {path.name for path in (tmp_path / "out").iterdir()} <= left


INTERRUPTED_AT_FIRST = """
import os, signal, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from coopera.cli import main
from coopera.sim import engine

submit, timers = ThreadPoolExecutor.submit, []

def slowly(*arguments):
    if not timers:
        timers.append(threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)))
        timers[0].start()
    time.sleep(0.001)
    return submit(*arguments)

ThreadPoolExecutor.submit = slowly
engine.run_counts = lambda *_: time.sleep(1)
options = "--runs 20000000 --keep quantiles --threads 1"
sys.argv[1:] = ["simulate", "minimal", *options.split()]
main()
"""


def test_run_is_interrupted_while_its_work_is_still_being_handed_out():
    done = run(code=INTERRUPTED_AT_FIRST)

    assert_interrupted(done.returncode, done.stderr)


FULL = """
import contextlib, resource, sys
from coopera.cli import main

target = sys.argv.pop()
sys.argv += ["simulate", "minimal", "--runs", "500", "--keep", "paths", "--no-report"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
    main()
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
sys.argv += ["--out", target]
main()
"""


def test_disk_that_fills_up_is_told_of_and_leaves_no_part(tmp_path):
    done = run(str(tmp_path / "out"), code=FULL)

    assert done.returncode == 3
    assert_one_line(done.stderr)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names <= {"quantiles.parquet"}


def test_folder_that_another_writes_into_is_refused(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".coopera-lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = run("simulate", "minimal", "--runs", "1", "--out", str(out))

    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert "another coopera writes into" in done.stderr
    again = run("simulate", "minimal", "--runs", "1", "--no-report", "--out", str(out))
    assert again.returncode == 0
    assert not (out / ".coopera-lock").exists()
