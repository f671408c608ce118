"""Trees of claims in memory and in files, whole ones and damaged ones."""

import json
import os
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.accounting.claims import ClaimTree
from coopera.errors import (
    AlreadyExists,
    Malformed,
    NegativeAmount,
    UnknownRecord,
    Unreadable,
    ZeroAmount,
)
from coopera.protocol.claims import Claimable, keccak256, leaf_hashes, merkle_tree
from coopera.protocol.claims import written as in_hex
from coopera.units import AMOUNT_MAX

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40
)
CLAIMS = st.lists(
    st.builds(Claimable, NAMES, NAMES, NAMES, st.integers(1, AMOUNT_MAX)),
    min_size=1,
    max_size=40,
    unique_by=lambda claim: (claim.vault, claim.asset, claim.account),
)
COUNT = 300


def several(count):
    """As those of tests/protocol/test_claims.py, whose roots another program made."""
    return [
        Claimable(
            f"vault-{i % 3}",
            "usd" if i % 2 else "token",
            f"contributor:m{i}",
            1_000_000 * i + 1,
        )
        for i in range(count)
    ]


ROOT_OF_1000 = "0x4b5f6a58695db2f42ac60b88f5b993890c6437c566209796d3a7e1efed40eddf"


def place(claim):
    return claim.vault, claim.asset, claim.account


@pytest.fixture
def tree():
    return ClaimTree.of(several(COUNT), 7)


@pytest.fixture
def path(tree, tmp_path):
    tree.save(tmp_path / "claims")
    return tmp_path / "claims"


# Trees


def test_root_is_that_of_another_program():
    assert ClaimTree.of(several(1000), 1).root == ROOT_OF_1000


@given(CLAIMS, st.integers(0, AMOUNT_MAX))
def test_every_claim_is_found_and_proven(claims, epoch):
    tree = ClaimTree.of(claims, epoch)

    assert len(tree) == len(claims)
    assert sorted(tree, key=place) == sorted(claims, key=place) == list(tree)
    assert tree.root == in_hex(merkle_tree(leaf_hashes(claims))[0])
    for claim in claims:
        proof = tree.proof(*place(claim))
        assert (proof.claim, proof.epoch, proof.root) == (claim, epoch, tree.root)
        assert proof.holds


@given(CLAIMS, st.randoms())
def test_order_of_the_claims_does_not_matter(claims, chance):
    shuffled = list(claims)
    chance.shuffle(shuffled)
    one, other = ClaimTree.of(claims, 1), ClaimTree.of(iter(shuffled), 1)

    assert one.root == other.root
    assert list(one) == list(other)


@given(CLAIMS, NAMES, NAMES, NAMES)
def test_claim_that_is_not_there_is_refused(claims, vault, asset, account):
    tree = ClaimTree.of(claims, 1)
    known = {place(claim) for claim in claims}

    for asked in [(vault, asset, account), *((*each[:2], account) for each in known)]:
        if asked not in known:
            with pytest.raises(UnknownRecord, match="has no claim to"):
                tree.proof(*asked)


@given(CLAIMS, st.data())
def test_names_that_begin_alike_are_not_confused(claims, data):
    claim = data.draw(st.sampled_from(claims))
    near = [
        Claimable(claim.vault, claim.asset, claim.account + more, 1)
        for more in ("0", "00", "!", "é")
    ]
    known = {place(each): each for each in (*near, *claims)}
    tree = ClaimTree.of(known.values(), 1)

    for each in known.values():
        assert tree.proof(*place(each)).claim == each


def test_two_claims_for_one_account_of_a_vault_are_refused():
    claims = several(10)
    again = replace(claims[4], cumulative=3)

    with pytest.raises(AlreadyExists, match="two claims of contributor:m4 to token of"):
        ClaimTree.of([*claims, again], 1)
    with pytest.raises(AlreadyExists, match="two claims of contributor:m4 to token of"):
        ClaimTree.of([*claims, claims[4]], 1)


def test_account_may_have_claims_to_other_assets_and_vaults():
    claims = [Claimable(v, a, "holder:ann", 1) for v in "ab" for a in ("token", "usd")]
    tree = ClaimTree.of(claims, 1)

    assert {tree.proof(v, a, "holder:ann").claim for v, a, _ in map(place, claims)} == {
        *claims
    }


@pytest.mark.parametrize(
    ("claim", "refusal"),
    [
        (Claimable("v", "usd", "a", 0), ZeroAmount),
        (Claimable("v", "usd", "a", -1), NegativeAmount),
        (Claimable("v", "usd", "a\tb", 1), Malformed),
        (Claimable("v", "usd\n", "a", 1), Malformed),
        (Claimable("", "usd", "a", 1), Malformed),
    ],
)
def test_claim_that_cannot_be_is_refused(claim, refusal):
    with pytest.raises(refusal):
        ClaimTree.of([*several(3), claim], 1)


@pytest.mark.parametrize("epoch", [-1, "7", None, 1.5])
def test_epoch_is_a_whole_number(epoch):
    with pytest.raises((Malformed, NegativeAmount), match="epoch is "):
        ClaimTree.of(several(3), epoch)


@pytest.mark.parametrize("claims", [[], iter(())])
def test_tree_without_claims_is_refused(claims):
    with pytest.raises(Malformed, match="there are no claims; a tree needs one"):
        ClaimTree.of(claims, 1)


@pytest.mark.parametrize("asked", [("", "usd", "a"), ("v", "u\ts", "a"), ("v", "u", 3)])
def test_what_is_no_name_is_refused(tree, asked):
    with pytest.raises(Malformed):
        tree.proof(*asked)


@pytest.mark.parametrize("given_as", [list, iter, lambda claims: (x for x in claims)])
def test_progress_ends_where_it_said(given_as):
    told = []
    tree = ClaimTree.of(given_as(several(20_000)), 1, lambda *at: told.append(at))
    tree.check(lambda *at: told.append(at))

    assert [done for done, _ in told].count(39_999) == 2
    assert told[-1] == (39_999, 39_999)
    assert all(0 < done <= whole for done, whole in told)


# Files


@given(claims=CLAIMS, epoch=st.integers(0, AMOUNT_MAX))
def test_file_gives_back_the_tree_that_was_saved(tmp_path_factory, claims, epoch):
    path = tmp_path_factory.mktemp("claims") / "claims"
    tree = ClaimTree.of(claims, epoch)
    tree.save(path)
    with ClaimTree.open(path) as opened:
        opened.check()

        assert (opened.root, opened.epoch, len(opened)) == (tree.root, epoch, len(tree))
        assert list(opened) == list(tree)
        for claim in claims:
            assert opened.proof(*place(claim)) == tree.proof(*place(claim))


def test_file_can_be_saved_again_and_over_itself(path, tmp_path):
    content = path.read_bytes()
    with ClaimTree.open(path) as opened:
        opened.save(tmp_path / "copy")
        opened.save(path)
        opened.check()

    assert path.read_bytes() == (tmp_path / "copy").read_bytes() == content
    assert sorted(each.name for each in tmp_path.iterdir()) == ["claims", "copy"]


def test_file_that_is_open_is_not_changed_by_the_next_epoch(tree, path):
    with ClaimTree.open(path) as opened:
        ClaimTree.of(several(5), 8).save(path)
        opened.check()

        assert opened.root == tree.root
    with ClaimTree.open(path) as opened:
        assert (opened.epoch, len(opened)) == (8, 5)


def test_file_that_is_cut_while_it_is_open_is_found_by_who_needs_the_rest(path, tree):
    content = path.read_bytes()
    claims = several(COUNT)
    for size in [0, 100, *range(300, len(content), 997), len(content) - 1]:
        path.write_bytes(content)
        with ClaimTree.open(path) as opened:
            os.truncate(path, size)
            for claim in claims[::50]:
                assert_true_or_none(opened, tree, claim)
            with pytest.raises(Unreadable) as refused:
                opened.check()
            assert_one_sentence(refused.value, path)
            assert "was cut while it was read, to " in str(refused.value)


def test_content_is_that_of_the_file(path):
    content = path.read_bytes()
    with ClaimTree.open(path) as opened:
        assert opened.size == len(content)
        for start, stop in ((0, len(content)), (5, 6), (7, 7), (999, 5000)):
            assert opened.content(start, stop) == content[start:stop]


def test_file_that_was_closed_is_not_read_any_more(path):
    with ClaimTree.open(path) as opened:
        pass
    opened.close()
    with path.open("rb"), pytest.raises(Unreadable, match="cannot be read: Bad file"):
        opened.proof(*place(several(COUNT)[0]))


def test_root_can_be_recomputed_from_the_lines_alone(path):
    """As docs/claims.md says: by whoever has the hash, without this program."""
    head, _, *rest = path.read_bytes().split(b"\n", 2)
    told = json.loads(head)
    hashed = keccak256()
    nodes = []
    for line in rest[0][: told["bytes"]].decode().splitlines():
        *names, amount = line.split("\t")
        words = [hashed(name.encode()) for name in names]
        words.append(int(amount).to_bytes(32, "big"))
        nodes.append(hashed(hashed(b"".join(words))))
    nodes.sort()
    for at in range(len(nodes) - 1):
        nodes.append(hashed(b"".join(sorted(nodes[2 * at : 2 * at + 2]))))

    assert len(nodes) == 2 * COUNT - 1
    assert in_hex(nodes[-1]) == told["root"]
    assert rest[0][told["bytes"] :] == b"".join(reversed(nodes))


def test_file_that_cannot_be_written_leaves_nothing_behind(tree, tmp_path):
    (tmp_path / "folder").mkdir()
    for where in ("nowhere/claims", "folder"):
        with pytest.raises(Unreadable, match=r"cannot write .*; name another file"):
            tree.save(tmp_path / where)

    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_failed_save_leaves_the_earlier_file(tree, path, monkeypatch):
    content = path.read_bytes()

    def full(_number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unreadable, match="No space left on device"):
        ClaimTree.of(several(5), 8).save(path)

    assert path.read_bytes() == content
    assert len(list(path.parent.iterdir())) == 1


def test_opening_does_not_read_the_claims(path):
    """Neither does a proof read those of others; only `check` sees what is there."""
    content = path.read_bytes()
    *others, last = several(COUNT)
    path.write_bytes(content.replace(b"\t299000001\n", b"\t299000002\n"))
    with ClaimTree.open(path) as opened:
        for claim in others:
            assert opened.proof(*place(claim)).holds
        with pytest.raises(Unreadable, match="no path leads from the claim of contrib"):
            opened.proof(*place(last))
        with pytest.raises(Unreadable, match="its claims have the root 0x"):
            opened.check()


def test_node_that_was_altered_is_found_by_the_proofs_that_need_it(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with ClaimTree.open(path) as opened:
        failed = 0
        for claim in several(COUNT):
            try:
                assert opened.proof(*place(claim)).holds
            except Unreadable:
                failed += 1
        # A proof has the leaf beside it, and not its own, which follows from the claim.
        assert failed == 1
        with pytest.raises(Unreadable, match="its tree is not that of its claims"):
            opened.check()


# Damage


def test_file_that_was_cut_or_added_to_is_refused(path):
    content = path.read_bytes()
    for size in [*range(400), *range(400, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(Unreadable) as refused:
            ClaimTree.open(path)
        assert_one_sentence(refused.value, path)
    path.write_bytes(content + b"\0")
    with pytest.raises(
        Unreadable, match=rf"has {len(content) + 1} bytes and must have"
    ):
        ClaimTree.open(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"SQLite format 3\0" * 1000,
        b"{}",
        b"[" * 5000,
        b'{"format": "coopera start", "version": 1}\n',
        b"\xff\xfe\x00",
        b"3\n",
    ],
)
def test_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "claims"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="is no file of claims; name one") as refused:
        ClaimTree.open(path)
    assert_one_sentence(refused.value, path)


def test_what_is_no_file_is_refused(tmp_path):
    for name, why in (("nothing", "No such file"), (".", "Is a directory")):
        with pytest.raises(Unreadable, match=f"cannot be read: {why}"):
            ClaimTree.open(tmp_path / name)


def test_file_of_a_later_version_is_refused(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"version": 1', b'"version": 2', 1))
    with pytest.raises(
        Unreadable, match="has version 2 of the format and this program"
    ):
        ClaimTree.open(path)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"epoch": 8},
        {"epoch": "7"},
        {"claims": 0},
        {"claims": -1},
        {"claims": True},
        {"bytes": 3},
        {"bytes": 1.5},
        {"root": "0x12"},
        {"root": f"0x{'0' * 64}"},
        {"root": None},
    ],
)
@pytest.mark.parametrize("hashed", [False, True])
def test_head_that_was_altered_is_refused(path, spoilt, hashed):
    line, check, rest = path.read_bytes().split(b"\n", 2)
    line = json.dumps(json.loads(line) | spoilt).encode()
    if hashed:
        if spoilt == {"epoch": 8}:
            return  # well-formed; what was published tells
        check = in_hex(keccak256()(line)).encode()
    path.write_bytes(b"\n".join((line, check, rest)))
    with pytest.raises(Unreadable) as refused:
        ClaimTree.open(path)
    assert_one_sentence(refused.value, path)


def test_no_byte_of_a_file_can_be_altered_unseen(tree, path):
    """Nobody is given a false proof meanwhile."""
    content = path.read_bytes()
    chance = random.Random(3)  # noqa: S311 - a test
    claims = several(COUNT)
    for at in [*range(400), *chance.sample(range(400, len(content)), 400)]:
        spoilt = bytearray(content)
        spoilt[at] ^= chance.randrange(1, 256)
        path.write_bytes(spoilt)
        with pytest.raises(Unreadable) as refused:
            look_through(path, tree, chance.sample(claims, 5))
        assert_one_sentence(refused.value, path)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_lines_that_were_swapped_doubled_or_replaced_are_found(tmp_path, size):
    path = tmp_path / "claims"
    claims = [Claimable("v", "usd", f"contributor:{x}", 5) for x in "abc"[:size]]
    ClaimTree.of(claims, 1).save(path)
    content = path.read_bytes()
    lines = [f"v\tusd\tcontributor:{x}\t5\n".encode() for x in "abc"[:size]]
    text = b"".join(lines)
    others = {
        b"".join(reversed(lines)),
        lines[0] * size,
        text.replace(b"\t5", b"\t6", 1),
        text.replace(b"\t5", b"\t0", 1),
        text.replace(b"\t5", b"\t-", 1),
        text.replace(b"v\t", b"v ", 1),
        text.replace(b"\n", b" ", 1),
        text.replace(b"\n", b"\t"),
        text.replace(b"usd", b"us\0", 1),
        text.replace(b"usd", b"us\xff", 1),
        b"\n" * len(text),
        b"a" * len(text),
    } - {text}
    for other in others:
        assert len(other) == len(text)
        path.write_bytes(content.replace(text, other))
        with ClaimTree.open(path) as opened:
            with pytest.raises(Unreadable) as refused:
                opened.check()
            assert_one_sentence(refused.value, path)
            for claim in claims:
                assert_true_or_none(opened, ClaimTree.of(claims, 1), claim)


def made_by_hand(path, text, nodes, **told):
    """Write a file whose head is right for whatever else is in it."""
    head = {"format": "coopera claims", "version": 1, "epoch": 1}
    head |= {"claims": (len(nodes) + 1) // 2, "bytes": len(text), **told}
    line = json.dumps({**head, "root": in_hex(nodes[0])}).encode()
    check = in_hex(keccak256()(line)).encode()
    path.write_bytes(b"\n".join((line, check, text + b"".join(nodes))))


def test_file_with_two_claims_for_one_account_is_found(tmp_path):
    """By another program, under a root that has both."""
    claims = [Claimable("v", "usd", "a", amount) for amount in (5, 6)]
    nodes = merkle_tree(leaf_hashes(claims))
    made_by_hand(tmp_path / "claims", b"v\tusd\ta\t5\nv\tusd\ta\t6\n", nodes)
    with (
        ClaimTree.open(tmp_path / "claims") as opened,
        pytest.raises(Unreadable, match=r"'v\\tusd\\ta\\t6' is not in its order"),
    ):
        opened.check()


def test_file_that_shows_fewer_claims_than_its_tree_has_is_found(tmp_path):
    claim = Claimable("v", "usd", "a", 5)
    (leaf,) = leaf_hashes([claim])
    made_by_hand(tmp_path / "claims", b"v\tusd\ta\t5\n", [leaf, leaf, leaf])
    with (
        ClaimTree.open(tmp_path / "claims") as opened,
        pytest.raises(Unreadable, match="it has 1 claims and must have 2"),
    ):
        opened.check()


def test_file_that_says_it_has_no_claims_is_refused(tmp_path):
    (leaf,) = leaf_hashes([Claimable("v", "usd", "a", 5)])
    made_by_hand(tmp_path / "claims", b"x" * 32, [leaf], claims=0, bytes=96)
    with pytest.raises(Unreadable, match="was altered: its head is damaged"):
        ClaimTree.open(tmp_path / "claims")


def test_amount_too_large_for_any_account_is_found(tmp_path):
    path = tmp_path / "claims"
    ClaimTree.of([Claimable("v", "usd", "a", AMOUNT_MAX)], 1).save(path)
    path.write_bytes(path.read_bytes().replace(b"\t1000", b"\t9000"))
    with ClaimTree.open(path) as opened:
        with pytest.raises(Unreadable, match="cumulative is 9000000000000000"):
            opened.proof("v", "usd", "a")
        with pytest.raises(Unreadable, match="cumulative is 9000000000000000"):
            opened.check()


def look_through(path, tree, claims):
    with ClaimTree.open(path) as opened:
        for claim in claims:
            assert_true_or_none(opened, tree, claim)
        opened.check()


def assert_true_or_none(opened, tree, claim):
    """A damaged file may fail to prove a claim, and never proves another one."""
    try:
        proof = opened.proof(*place(claim))
    except (Unreadable, UnknownRecord):
        return
    assert proof == tree.proof(*place(claim))


def assert_one_sentence(refusal, path):
    said = str(refusal)
    assert said.startswith(f"{path} ")
    assert "\n" not in said
    assert "; " in said
