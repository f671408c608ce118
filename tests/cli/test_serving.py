"""The process that serves proofs of claims: its beginning, its end, what it says."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from coopera.accounting.claim_files import ClaimFiles
from coopera.accounting.claims import ClaimTree
from coopera.api import serving
from coopera.api.application import application
from coopera.api.serving import address, listen
from coopera.errors import Unavailable
from coopera.protocol.claims import Claimable

GUIDE = Path(__file__).parents[2] / "docs" / "claims.md"
COOPERA = [sys.executable, "-m", "coopera.cli"]
SHELL = 'coopera() { "$PYTHON" -m coopera.cli "$@"; }\n'
ENOUGH = 60
"""Seconds that no step of these tests takes."""
EARNED = {
    "contributor:dan": 15_374_921,
    "supplier:gpu-1": 24_622_498,
    "supplier:gpu-2": 10_552_499,
}
"""As in the guide to royalties."""


def tree(epoch=1, earned=EARNED):
    claims = (Claimable("sirens", "usd", who, much) for who, much in earned.items())
    return ClaimTree.of(claims, epoch)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Be beside a folder with the claims of one epoch."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claims").mkdir()
    tree().save(tmp_path / "claims" / "claims-1")
    return tmp_path / "claims"


class Process:
    """The server as a process, once it has said where it is."""

    def __init__(self, *options):
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [*COOPERA, "royalties", "serve", *options, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = []
        while line := self.process.stdout.readline():
            lines.append(line)
            if line.startswith("}"):
                break
        self.told = json.loads("".join(lines) or "null")

    @property
    def port(self):
        return int(self.told["url"].split(":")[2].split("/")[0])

    def ask(self, url=None):
        return json.loads(self.read(url or self.told["url"]))

    def read(self, url):
        with urlopen(url, timeout=ENOUGH) as answer:  # noqa: S310 - our own
            return answer.read()

    def end(self, number):
        """Send a signal: the exit code, and what was said."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=ENOUGH)
        assert out == ""
        return self.process.returncode, err


@pytest.fixture
def started():
    """Start processes, none of which outlives the test."""
    processes = []

    def start(*options):
        processes.append(Process(*options))
        return processes[-1]

    yield start
    for each in processes:
        each.process.kill()
        each.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("asked", [False, True])
def test_server_ends_cleanly(started, number, asked):
    server = started("claims", "--port", "0")
    if asked:
        server.ask()

    assert server.end(number) == (0, "")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port), timeout=ENOUGH)


def test_server_says_where_it_is_and_gives_an_example(started):
    server = started("claims", "--port", "0")

    url = f"http://127.0.0.1:{server.port}/v1/claims"
    assert server.told == {
        "url": url,
        "epochs": [1],
        "damaged": [],
        "other_files": 0,
        "example": f"{url}/latest/sirens/usd/contributor:dan",
    }
    assert server.ask()["latest"] == 1
    assert server.ask(server.told["example"]) == (
        tree().proof("sirens", "usd", "contributor:dan").told()
    )


def test_example_names_what_has_to_be_encoded(started, folder):
    tree(2, {"holder:ж/ %2F?": 1}).save(folder / "claims-2")
    server = started("claims", "--port", "0")

    assert server.told["example"].endswith("/sirens/usd/holder:%D0%B6%2F%20%252F%3F")
    assert server.ask(server.told["example"])["account"] == "holder:ж/ %2F?"


def test_proof_that_is_served_is_verified_by_the_program(started, printed):
    server = started("claims", "--port", "0")
    for who, much in EARNED.items():
        url = f"{server.told['url']}/1/sirens/usd/{who}"
        Path("claim").write_bytes(server.read(url))
        told = printed(f"verify claim --root {tree().root} --json")
        assert (told["verified"], told["cumulative"]) == (True, much)


def test_folder_that_is_empty_is_served_and_filled_later(started, folder):
    (folder / "claims-1").rename("elsewhere")
    server = started("claims", "--port", "0")
    assert (server.told["epochs"], server.told["example"]) == ([], None)
    with pytest.raises(HTTPError, match="404"):
        server.ask(f"{server.told['url']}/latest")

    Path("elsewhere").rename(folder / "claims-1")
    for _ in range(ENOUGH * 100):
        if server.ask()["latest"] == 1:
            break
    assert server.ask(f"{server.told['url']}/latest")["claims"] == len(EARNED)


def test_single_file_is_served(started):
    server = started("claims/claims-1", "--port", "0")

    assert server.ask()["latest"] == 1


def test_damage_is_said_when_it_starts(started, folder):
    (folder / "claims-2").write_bytes((folder / "claims-1").read_bytes()[:-1])
    (folder / "books.db").write_bytes(b"SQLite format 3\0")
    server = started("claims", "--port", "0")

    told = {**server.told, "url": "", "example": ""}
    assert told == {
        "url": "",
        "epochs": [1],
        "damaged": ["claims-2"],
        "other_files": 1,
        "example": "",
    }
    code, err = server.end(signal.SIGTERM)
    assert code == 0
    lines = sorted(err.splitlines())
    assert len(lines) == 2
    assert lines[0].startswith("coopera: books.db is no file of claims; ")
    assert lines[1].startswith("coopera: claims-2 has ")


def test_server_that_was_killed_comes_back_at_the_same_place(started):
    first = started("claims", "--port", "0")
    before = first.ask(first.told["example"])
    with socket.create_connection(("127.0.0.1", first.port)) as kept:
        kept.sendall(b"GET /v1/claims HTTP/1.1\r\nHost: x\r\n\r\n")
        kept.recv(10)
        assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
        second = started("claims", "--port", str(first.port))

    assert second.told == first.told
    assert second.ask(second.told["example"]) == before


def test_caller_that_does_not_read_does_not_keep_it_from_ending(started, folder):
    many = {f"contributor:member-{n}": n + 1 for n in range(100_000)}
    tree(2, many).save(folder / "claims-2")
    server = started("claims", "--port", "0")
    with socket.create_connection(("127.0.0.1", server.port)) as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(b"GET /v1/claims/2/file HTTP/1.1\r\nHost: x\r\n\r\n")
        stuck.recv(10)

        code, err = server.end(signal.SIGTERM)
        assert code == 0
        assert "coopera: an answer was broken off: the server ends\n" in err
        assert "Traceback" not in err


# Refusals


def test_port_that_is_taken_is_refused_in_one_sentence(run):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("royalties", "serve", "claims", "--port", str(port))
        assert (code, out) == (3, "")
        assert err == (
            f"coopera: cannot listen on port {port} of 127.0.0.1: Address already in "
            "use; name another one by --port or --host, or stop who listens there "
            "[unavailable]\n"
        )


def test_host_that_is_not_here_is_refused():
    with pytest.raises(Unavailable, match=r"of 192\.0\.2\.1: Cannot assign requested"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nothing", "coopera: nothing cannot be read: No such file or directory; name"),
        ("cut", "coopera: cut has 10 bytes and must have"),
        ("notes", "coopera: notes is no file of claims; name one that was saved as"),
    ],
)
def test_what_cannot_be_served_is_refused(refused, folder, line, said):
    content = (folder / "claims-1").read_bytes()
    Path("cut").write_bytes(content[:-10])
    Path("notes").write_text("notes")
    said = said.replace("has 10", f"has {len(content) - 10}")

    assert refused(f"royalties serve {line} --port 0").startswith(said)


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "anyio"])
def test_missing_package_is_named_with_the_extra_that_brings_it(package):
    code = (
        "import sys; sys.modules[sys.argv.pop(1)] = None; "
        "from coopera.cli import main; main()"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code, package, "royalties", "serve", "claims"],
        capture_output=True,
        check=False,
        text=True,
        timeout=ENOUGH,
    )

    assert done.returncode == 2
    assert done.stderr == (
        f"coopera: this needs {package}, which is not installed; install it with: pip "
        "install 'coopera[api]' [not_installed]\n"
    )


def test_books_are_not_needed_to_serve():
    """Neither is what they need: the extra brings all that serving does."""
    heavy = ("alembic", "msgspec", "numpy", "numba", "sqlalchemy")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy})); "
        "from coopera.accounting.claim_files import ClaimFiles; "
        "from coopera.api.application import application; "
        "from pathlib import Path; application(ClaimFiles(Path('claims')))"
    )
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code], check=True, timeout=ENOUGH
    )


# Sockets


def test_answers_are_sent_without_waiting_for_more():
    """Asyncio does so for what is said to be TCP."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_parser_is_the_one_that_bounds_what_strangers_send(folder):
    """Also where the faster one is installed, which is taken by default."""
    assert serving.server(application(ClaimFiles(folder))).config.http == "h11"


def test_address_of_the_other_kind_is_written_with_brackets():
    try:
        listening = listen("::1", 0)
    except Unavailable:
        pytest.skip("has no such address")
    with listening:
        assert address(listening) == f"http://[::1]:{listening.getsockname()[1]}"


# The guide


def section():
    text = GUIDE.read_text("utf-8")
    return text.split("\n## Proofs over HTTP\n")[1].split("\n## ")[0]


@pytest.mark.skipif(
    None in map(shutil.which, ("sh", "curl")), reason="needs a shell and curl"
)
def test_guide_says_what_the_commands_print(folder):
    """The port is another one here: that of the guide may be taken."""
    (shown,) = re.findall(r"```console\n(.*?)```", section(), re.DOTALL)
    commands = [line[2:] for line in shown.splitlines() if line.startswith("$ ")]
    with listen("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])
    serve, *others = (line.replace("8000", port) for line in commands)
    # The program itself in the background, so that it is what is ended.
    serve = serve.replace("coopera", '"$PYTHON" -m coopera.cli', 1)
    script = "\n".join(
        (
            SHELL,
            f"{serve} --port {port} > out &",
            "trap 'kill $!; wait' EXIT",
            "for n in $(seq 300); do grep -qs until out && break; sleep 0.1; done",
            *others,
        )
    )
    done = subprocess.run(  # noqa: S603 - our own program
        ["sh", "-euc", script],  # noqa: S607
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"},
        text=True,
        timeout=ENOUGH,
    )

    assert (done.returncode, done.stderr) == (0, "")
    printed = Path("out").read_text("utf-8") + done.stdout
    expected = [line for line in shown.splitlines() if not line.startswith("$ ")]
    assert printed.replace(port, "8000").splitlines() == expected
