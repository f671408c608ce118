"""`coopera verify`: a claim in a file, and nothing else."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coopera.accounting.claims import ClaimTree
from coopera.protocol.claims import Claimable

OTHER = "0x" + "ab" * 32


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def proof():
    claims = [
        Claimable("llm", "usd", f"contributor:{name}", amount)
        for name, amount in (("ann", 12_500_000), ("bo", 2), ("cy", 3))
    ]
    return ClaimTree.of(claims, 7).proof("llm", "usd", "contributor:ann")


@pytest.fixture
def keep(folder):
    def keep_(proof, **changed):
        (folder / "claim.json").write_text(json.dumps(proof.told() | changed), "utf-8")

    return keep_


def test_claim_is_verified_against_the_root_that_was_published(printed, proof, keep):
    keep(proof)
    said = printed(f"verify claim.json --root {proof.root}")

    assert said.startswith(
        "claim.json holds: under the root that you gave, contributor:ann may claim "
        "12.500000 USD of the vault llm in all, less what was paid before\n"
    )
    assert "7, as the file says" in said
    assert proof.root in said
    assert proof.claim.leaf in said
    assert "proves nothing" not in said


def test_without_a_root_it_says_that_roots_must_be_compared(printed, proof, keep):
    keep(proof)
    said = printed("verify claim.json")

    assert said.startswith("claim.json agrees with itself: under the root in it, ")
    assert said.endswith(
        "\nThis proves nothing until you compare that root with the one that was "
        "published for epoch 7; better, give that one as --root.\n"
    )


@pytest.mark.parametrize("given", [True, False])
def test_claim_in_json(printed, proof, keep, given):
    keep(proof)
    root = f" --root {proof.root}" if given else ""

    assert printed(f"verify claim.json --json{root}") == {
        "verified": True,
        **proof.told(),
        "root_from": "option" if given else "file",
        "leaf": proof.claim.leaf,
    }


def not_proven(run, *arguments):
    code, out, err = run("verify", "claim.json", *arguments)
    assert (code, err) == (1, "")
    return out


@pytest.mark.parametrize(
    "changed",
    [
        {"cumulative": 12_500_001},
        {"account": "contributor:bo"},
        {"vault": "llm2"},
        {"asset": "token"},
        {"path": []},
        {"path": [OTHER]},
    ],
)
def test_claim_that_was_altered_is_not_proven(run, proof, keep, changed):
    keep(proof, **changed)

    assert not_proven(run).startswith("claim.json does NOT hold: that ")
    assert "altered" in not_proven(run)
    assert "nor under the one in the file" in not_proven(run, "--root", proof.root)
    told = json.loads(not_proven(run, "--root", proof.root, "--json"))
    assert told["verified"] is False


def test_claim_under_its_own_root_alone_is_not_proven(run, proof, keep):
    """Anybody can make a tree; what counts is the root that was published."""
    keep(proof)
    said = not_proven(run, "--root", OTHER)

    assert f"but under the one in the file, {proof.root}; is the one" in said
    assert json.loads(not_proven(run, "--root", OTHER, "--json")) | {"leaf": ""} == {
        "verified": False,
        **proof.told(),
        "root": OTHER,
        "root_from": "option",
        "leaf": "",
    }


def test_root_in_the_file_does_not_matter_if_one_is_given(printed, proof, keep):
    keep(proof, root=OTHER)

    assert "holds" in printed(f"verify claim.json --root {proof.root}")


def test_names_that_are_not_ascii_and_an_only_claim(printed, keep):
    claim = Claimable("modèle", "usd", "contributor:ж", 1)
    keep(ClaimTree.of([claim], 1).proof("modèle", "usd", "contributor:ж"))

    assert "contributor:ж may claim 0.000001 USD" in printed("verify claim.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "claim.json is no JSON; name the file of a claim"),
        (b"\xff\xfe", "claim.json is no JSON"),
        (b"[" * 100_000, "claim.json is no JSON"),
        (b'{"cumulative": ' + b"9" * 5000 + b"}", "claim.json is no JSON"),
        (b"[]", "claim.json: a claim is an object with vault, asset, "),
        (b"{}", "claim.json: the claim has no vault and no asset and no account"),
    ],
)
def test_what_is_no_claim_is_refused_in_one_sentence(folder, refused, content, said):
    (folder / "claim.json").write_bytes(content)

    assert refused("verify claim.json").startswith(f"coopera: {said}")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"cumulative": "5"},
            "cumulative is '5'; it must be a whole number [malformed]",
        ),
        ({"cumulative": 0}, "cumulative is 0; it must be above 0"),
        ({"account": "a\nb"}, "account is 'a\\nb'; it must be 1 to 200 printable"),
        ({"path": ["0x1"]}, "node 1 of the path is '0x1'; it must be 0x and 64"),
        ({"path": [OTHER] * 33}, "the path has 33 nodes; 32 are the most"),
        ({"root": 5}, "root is '5'; it must be 0x and 64 hexadecimal digits"),
    ],
)
def test_field_that_cannot_be_is_refused_by_name(proof, keep, refused, changed, said):
    keep(proof, **changed)

    assert refused("verify claim.json").startswith(f"coopera: claim.json: {said}")


def test_file_that_cannot_be_read_and_root_that_is_none(proof, keep, refused):
    keep(proof)

    assert "nothing cannot be read: No such file" in refused("verify nothing")
    assert ". cannot be read: Is a directory" in refused("verify .")
    assert "--root is '0x12'; it must be 0x and 64" in refused(
        "verify claim.json --root 0x12"
    )


def test_claim_may_come_through_a_pipe(proof):
    done = subprocess.run(
        [sys.executable, "-m", "coopera.cli", "verify", "/dev/stdin"],
        input=json.dumps(proof.told()),
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("/dev/stdin agrees with itself: ")


def test_missing_package_is_named_with_the_extra_that_brings_it(proof, keep):
    keep(proof)
    code = (
        "import sys; sys.modules['tiny_keccak'] = None; "
        "from coopera.cli import main; main()"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code, "verify", "claim.json"],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )

    assert done.returncode == 2
    assert done.stderr == (
        "coopera: this needs tiny_keccak, which is not installed; install it with: "
        "pip install 'coopera[books]' [not_installed]\n"
    )


def test_nothing_but_the_file_is_read(printed, proof, keep, folder):
    """There are no books here, and none are made."""
    keep(replace(proof, epoch=8))
    printed("verify claim.json")

    assert [each.name for each in Path(folder).iterdir()] == ["claim.json"]
