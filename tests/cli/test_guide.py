"""The guide to royalties is typed as it is printed, and says what comes out."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coopera.accounting.claims import ClaimTree
from coopera.protocol.claims import keccak256

DOCS = Path(__file__).parents[2] / "docs"
NOTED = """
coopera() { printf '%s\\0' "$@" >> typed; printf '\\1' >> typed; }
python() { "$PYTHON" "$@"; }
set -e
"""
"""What bash does where the page says `coopera`: note it, to be run in this process."""
ENOUGH = 60
"""Seconds that no script of these tests takes."""


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def script_of(text):
    """Find what a page says to type: what is indented, and not in a block of code."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join(re.findall(r"^    (\S.*|  .*)$", plain, re.MULTILINE))


def typed(script, folder):
    """Run a script in bash, all but our own program: what that was asked."""
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run(  # noqa: S603 - our own page
        [bash, "-c", f"{NOTED}{script}"],
        check=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
        timeout=ENOUGH,
    )
    lines = (folder / "typed").read_text().split("\1")[:-1]
    return [line.split("\0")[:-1] for line in lines]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Go to an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COOPERA_BOOKS", raising=False)
    return tmp_path


def test_the_guide_to_royalties_can_be_typed_from_the_page(folder, run):
    text = page("royalties.md")
    said = {}
    for arguments in typed(script_of(text), folder):
        code, out, err = run(*arguments)
        assert (code, err) == (0, ""), arguments
        said[" ".join(arguments)] = out
    assert len(said) >= 40

    # What the page says of what comes out.
    prose, out = " ".join(text.split()), "\n".join(said.values())
    for told, printed in (
        ("Dan's rows are worth 0.158 nats", "worth            0.158"),
        ("the data slice of 15,374,921.894526 units", "15,374,921.894526 units"),
        ("Dan is paid $15.374921, once", "15.374921  USD  contributor:dan:usd"),
    ):
        assert told in prose
        assert printed in out
    held = json.loads(run("royalties", "show", "sirens", "--json").out)
    reserve = held["income_micro_units"]["usd"]["reserve"]
    assert f"${(100_000000 - reserve) / 1e6:.2f}" == "$50.55"
    assert "have $50.55" in prose
    why = said["royalties why sirens 1 contributor:eli --schema schema.json"]
    assert "worth            -0." in why
    assert "  bell, seconds below 2 " in why
    assert said["value check transcript.json round.npz"].startswith("2 values, all as")
    checked = said["training check sirens transcript.json"]
    assert "all values in the books are those of the transcript made known" in checked
    assert "  path     1 node\n" in said["verify dan.claim"]
    # Once is once.
    again = run("royalties", "claim", "dan.claim", "--json")
    assert (again.code, json.loads(again.out)["error"]["code"]) == (
        2,
        "already_claimed",
    )


def test_many_contributors_are_brought_to_a_round_by_a_program(folder, run):
    text = page("royalties.md")
    for arguments in typed(script_of(text), folder):
        if arguments[:2] == ["data", "register"]:
            break
        assert run(*arguments)[0] == 0
    aims = ("--counts", "target.json", "--salts", "ann.salts")
    (folder / "target.json").write_text("[3, 1, 1, 1, 1, 1]")
    assert run("training", "start", "sirens", *aims)[0] == 0
    assert run("training", "select", "sirens", "supplier:gpu-1")[0] == 0
    (block,) = re.findall(r"```python\n(import hashlib.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own page
    schema = json.loads(run("training", "show", "sirens", "--json").out)["schema"]
    written = [
        line
        for n in range(30)
        for line in names["lines"](
            names["commands"](
                *("sirens", schema, 1, f"contributor:c{n}", f"d{n}"),
                *([f'["siren",{n}.{m}]' for m in range(5)], [3, 2, 0, 0, 0, 0]),
            )
        )
    ]
    done = subprocess.run(
        [sys.executable, "-m", "coopera.cli", "market", "run", "--json"],
        input="\n".join(written),
        text=True,
        capture_output=True,
        check=True,
        timeout=ENOUGH,
    )
    assert "error" not in done.stdout
    current = json.loads(run("training", "show", "sirens", "--json").out)["current"]
    assert (current["data_sets"], current["rows"]) == (30, 150)


def test_the_claim_on_the_page_holds_as_it_says(folder, run):
    text = page("claims.md")
    claim, *_ = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    (folder / "claim.json").write_text(claim)
    ((line, out),) = re.findall(
        r"^    coopera (.*)\n\n```\n(.*?)```", text, re.MULTILINE | re.DOTALL
    )
    assert run(*line.split()) == (0, out, "")
    verifies, saves = re.findall(r"```python\n((?:def|from) .*?)```", text, re.DOTALL)
    names: dict[str, Any] = {"keccak256": keccak256()}
    exec(verifies, names)  # noqa: S102 - our own page
    told = json.loads(claim)
    assert names["verifies"](told, told["root"])
    assert not names["verifies"]({**told, "cumulative": 12500001}, told["root"])
    exec(saves, names)  # noqa: S102 - our own page
    assert names["claim"] == told
    with ClaimTree.open(folder / "claims-7") as tree:
        assert tree.root == told["root"]
