"""
A PostgreSQL server of our own, from the machine's binaries, for as long as we live.

It listens on a socket in a folder of its own, so that it meets no other server, and
syncs to the disk as a real one does. A shell holds it: when the pipe to that closes,
even because we were killed, the server is stopped and its folder removed.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

INSTALL: Final = "apt-get install postgresql"
"""How Debian's is installed."""

SUPERUSER: Final = "keeper"

READY_SECONDS: Final = 30
HELD = "Terminate any old server processes"
"""What a server says where another one still has its folder."""

HOLD: Final = """
postgres=$1; home=$2
"$postgres" -D "$home/data" -k "$home" >"$home/log" 2>&1 </dev/null &
server=$!
read -r signal
kill -"${signal:-INT}" $server 2>/dev/null
wait $server
[ "$signal" ] || rm -rf "$home"
"""

SETTINGS: Final = """
listen_addresses = ''
max_connections = 30
shared_buffers = 32MB
fsync = on
max_wal_size = 256MB
"""


class NoServer(Exception):
    """There are no binaries of a server, or they do not run."""


class Server:
    """A server that is running, with a role that may do everything."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._binaries = binaries()
        # Short: the path of a socket has at most about a hundred characters.
        place = "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108
        self.home = Path(tempfile.mkdtemp(prefix="books-", dir=place))
        self._numbers = count(1)
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = _somebody()
            os.chown(self.home, user.pw_uid, user.pw_gid)
            self._as = {
                "user": user.pw_uid,
                "group": user.pw_gid,
                "extra_groups": [],
            }
        made = self._run(
            "initdb",
            f"--pgdata={self.home}/data",
            f"--username={SUPERUSER}",
            "--auth-local=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        if made.returncode:
            shutil.rmtree(self.home)
            raise NoServer(f"initdb failed: {made.stderr.strip()}")
        with (self.home / "data/postgresql.conf").open("a") as file:
            file.write(SETTINGS)
            for name, value in (settings or {}).items():
                file.write(f"{name} = {value}\n")
        self.start()

    def _run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603
            [self._binaries / program, *arguments],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it answers, or do not."""
        self._launch()
        until = time.monotonic() + READY_SECONDS
        while wait and self._run("pg_isready", "-q", "-h", str(self.home)).returncode:
            said = self._log.read_text() if self._log.exists() else ""
            if self._holder.poll() is not None or time.monotonic() > until:
                self.remove()
                raise NoServer(f"the server does not start: {said}")
            if HELD in said:
                # The last processes of one that was killed are not gone at once.
                self.stop()
                self._launch()
            time.sleep(0.05)

    @property
    def _log(self) -> Path:
        return self.home / "log"

    def _launch(self) -> None:
        # What is left of a server before goes on writing to the old one.
        self._log.unlink(missing_ok=True)
        self._holder = subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", HOLD, "sh", self._binaries / "postgres", self.home],
            cwd="/",
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # an interrupt is for us alone
            **self._as,
        )

    def stop(self, signal: str = "INT") -> None:
        """Stop it, and keep its folder: `INT` in order, `QUIT` as a crash would."""
        self._holder.communicate(f"{signal}\n")

    def remove(self) -> None:
        """Stop it, and remove its folder."""
        self._holder.communicate()
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@/{database}?host={self.home}"

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run a statement by the server's own client, and return what it prints."""
        done = self._run(
            "psql",
            f"--dbname={self.url(database)}",
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--set=ON_ERROR_STOP=1",
            f"--command={statement}",
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def database(self, template: str = "template1") -> str:
        """Make a database, and return its name."""
        name = f"db{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


def binaries() -> Path:
    """Find the folder that has the server's programs; fetch them if we may."""
    found = _find()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _fetch()
        found = _find()
    if found is None:
        raise NoServer("there is no PostgreSQL server on this machine")
    return found


def _find() -> Path | None:
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    newest = sorted(installed, key=lambda path: float(path.parent.name), reverse=True)
    folders = [*newest, *map(Path, os.get_exec_path())]
    if config := shutil.which("pg_config"):
        said = subprocess.run(  # noqa: S603
            [config, "--bindir"], capture_output=True, text=True, check=True
        )
        folders.insert(0, Path(said.stdout.strip()))
    needed = ("initdb", "postgres", "pg_isready", "psql")
    return next(
        (each for each in folders if all((each / name).is_file() for name in needed)),
        None,
    )


def _fetch() -> None:
    """Install Debian's package, once, though several processes ask for it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    mark = Path(tempfile.gettempdir()) / f"books-fetch-{run}"
    with mark.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read() or _find():
            return
        lock.write("tried")
        subprocess.run(
            ["apt-get", "install", "-y", "--no-install-recommends", "postgresql"],  # noqa: S607
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=300,
        )


def _somebody() -> pwd.struct_passwd:
    """Find a user who is not root: the server refuses to be run by root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServer("the server cannot be run by root, and there is no other user")
