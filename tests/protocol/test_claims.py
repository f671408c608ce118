"""The contracts' tree: other programs' roots, proofs that hold, and none that lie."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coopera.errors import AmountTooLarge, Malformed, NegativeAmount, ZeroAmount
from coopera.protocol.claims import (
    DEPTH_MAX,
    Claimable,
    ClaimProof,
    hash_bytes,
    keccak256,
    leaf_hashes,
    merkle_path,
    merkle_tree,
    proves,
    read_proof,
    written,
)
from coopera.units import AMOUNT_MAX

EMPTY = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"

# What OpenZeppelin's merkle-tree 1.0.8 makes of `several(n)`.
ROOTS = {
    1: "0x2d00b09f2b4212358014346ce2382ac3995c135ba6988e06a12f50af1918df26",
    2: "0x84503c89d8df1406940b61fedb8a7389c89370595f80223ff38276756448e61b",
    3: "0x7e2c576ab6604dda80036ed1508c7a94b7be66db50ee890bfa1076a3631c6151",
    5: "0xe570a800036db919453456c51ca915424c5fb0b3b57c9731c770c8f280fc70b7",
    7: "0x16b305d7ea2a8b97d276ce532dce106d1f8756814e93f1cafe52c8c118278f87",
    1000: "0x4b5f6a58695db2f42ac60b88f5b993890c6437c566209796d3a7e1efed40eddf",
}
TREE_OF_FIVE = [
    "0xe570a800036db919453456c51ca915424c5fb0b3b57c9731c770c8f280fc70b7",
    "0xa8572e0573c891ea02215e933c09a8c219406af7b28984fba2a18fbb6bc1af76",
    "0x303b13003b67e10b5be8a31368aeecb51b963b929465490f669dfda32257301f",
    "0x84503c89d8df1406940b61fedb8a7389c89370595f80223ff38276756448e61b",
    "0xc6a600a21e18fa54d1677081afb1a397a8773e7beb3d0834f285a88c7a5eca14",
    "0x9ac473e3ca86411c50b9986e33b5c318448ea959dc06030507544a044b2fb014",
    "0x7046eb9953eae6d5f2d9730a6018a14570fa2e65c63aea88dcd7776cf5c353da",
    "0x3b92d805c5c30c200668777097b66c099c32f6c3d49307f8a230e4e3975dbc93",
    "0x2d00b09f2b4212358014346ce2382ac3995c135ba6988e06a12f50af1918df26",
]
PATH_OF_FIRST = (
    "0x3b92d805c5c30c200668777097b66c099c32f6c3d49307f8a230e4e3975dbc93",
    "0xc6a600a21e18fa54d1677081afb1a397a8773e7beb3d0834f285a88c7a5eca14",
    "0x303b13003b67e10b5be8a31368aeecb51b963b929465490f669dfda32257301f",
)
LONG = Claimable("vault", "usd", "contributor:" + "é" * 40, AMOUNT_MAX)
ROOT_OF_LONG = "0xed68a5070ddf652c337cbeeadedf099beabbaa5c698aee9cff8b380e6db2006e"

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40
)
CLAIMS = st.lists(
    st.builds(Claimable, NAMES, NAMES, NAMES, st.integers(1, AMOUNT_MAX)),
    min_size=1,
    max_size=40,
    unique_by=lambda claim: (claim.vault, claim.asset, claim.account),
)


def several(count):
    return [
        Claimable(
            f"vault-{i % 3}",
            "usd" if i % 2 else "token",
            f"contributor:m{i}",
            1_000_000 * i + 1,
        )
        for i in range(count)
    ]


def tree_of(claims):
    return merkle_tree(leaf_hashes(claims))


def proof_of(claims, claim):
    nodes = tree_of(claims)
    path = merkle_path(nodes, nodes.index(leaf_hashes([claim])[0], len(claims) - 1))
    return ClaimProof(claim, 1, written(nodes[0]), path)


# What others compute


def test_hash_is_that_of_contracts_and_not_of_sha_3():
    assert written(keccak256()(b"")) == EMPTY


def test_root_is_the_one_that_openzeppelin_publishes():
    """Their first example: two of address and uint256, each a word of 32 bytes."""
    hashed = keccak256()
    leaves = [
        hashed(hashed(bytes(12) + bytes.fromhex(address) + amount.to_bytes(32, "big")))
        for address, amount in [("11" * 20, 5 * 10**18), ("22" * 20, 25 * 10**17)]
    ]

    root = "0xd4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77"
    assert written(merkle_tree(leaves)[0]) == root


@pytest.mark.parametrize("count", ROOTS)
def test_root_is_that_of_openzeppelin(count):
    assert written(tree_of(several(count))[0]) == ROOTS[count]


def test_every_node_and_path_is_that_of_openzeppelin():
    claims = several(5)

    assert [written(each) for each in tree_of(claims)] == TREE_OF_FIVE
    assert proof_of(claims, claims[0]).path == PATH_OF_FIRST


def test_names_longer_than_a_word_and_the_largest_amount():
    assert LONG.leaf == written(tree_of([LONG])[0]) == ROOT_OF_LONG


# Proofs


@given(CLAIMS, st.randoms())
def test_every_claim_proves_whatever_the_order_was(claims, chance):
    shuffled = list(claims)
    chance.shuffle(shuffled)

    for claim in claims:
        proof = proof_of(shuffled, claim)
        assert proof.holds
        assert proof == proof_of(claims, claim)
        assert len(proof.path) <= (len(claims) - 1).bit_length()


@given(CLAIMS, st.data())
def test_claim_that_was_changed_in_any_field_is_not_proven(claims, data):
    claim = data.draw(st.sampled_from(claims))
    proof = proof_of(claims, claim)
    field = data.draw(st.sampled_from(["vault", "asset", "account"]))
    name = data.draw(NAMES)
    amount = data.draw(st.integers(1, AMOUNT_MAX))

    assume(name != getattr(claim, field))
    assume(amount != claim.cumulative)
    for other in (
        replace(claim, **{field: name}),
        replace(claim, cumulative=amount),
        replace(
            claim, vault=claim.vault + claim.asset[0], asset=claim.asset[1:] or "x"
        ),
    ):
        assert not proves(proof.root, other, proof.path)


@given(CLAIMS.filter(lambda claims: len(claims) > 1), st.data())
def test_path_that_was_changed_in_any_way_proves_nothing(claims, data):
    claim = data.draw(st.sampled_from(claims))
    proof = proof_of(claims, claim)
    path = list(proof.path)
    at = data.draw(st.integers(0, len(path) - 1))
    byte = data.draw(st.integers(0, 31))
    bit = 1 << data.draw(st.integers(0, 7))
    node = bytearray(hash_bytes("node", path[at]))
    node[byte] ^= bit
    spoilt = [
        [*path[:at], written(bytes(node)), *path[at + 1 :]],
        [*path[:at], *path[at + 1 :]],
        [*path[: at + 1], *path[at:]],
        [proof.root, *path],
        [*path, proof.root],
    ]
    other = data.draw(st.permutations(path))
    if other != path:
        spoilt.append(other)
    for each in spoilt:
        assert not proves(proof.root, claim, each)

    root = bytearray(hash_bytes("root", proof.root))
    root[byte] ^= bit
    assert not proves(written(bytes(root)), claim, path)


@given(CLAIMS, CLAIMS)
def test_claim_of_another_tree_is_not_proven(claims, others):
    proof = proof_of(claims, claims[0])
    for each in others:
        if each not in claims:
            assert not proves(proof.root, each, proof.path)
            assert not proves(proof.root, each, proof.path[1:])


@given(CLAIMS.filter(lambda claims: len(claims) > 2))
def test_inner_node_cannot_be_passed_off_as_a_leaf(claims):
    nodes = tree_of(claims)
    hashed, root = keccak256(), written(nodes[0])
    leaves = set(leaf_hashes(claims))
    for place in range(1, len(claims) - 1):
        # The node's own path leads to the root, and the 64 bytes below it are known.
        # Called a leaf, they would be hashed twice.
        path = merkle_path(nodes, place)
        pair = b"".join(sorted(nodes[2 * place + 1 : 2 * place + 3]))
        assert hashed(pair) == nodes[place]
        assert nodes[place] not in leaves
        assert not any(proves(root, claim, path) for claim in claims)
        node = hashed(hashed(pair))
        for each in path:
            node = hashed(b"".join(sorted((node, hash_bytes("node", each)))))
        assert written(node) != root


@given(CLAIMS)
def test_leaf_is_hashed_twice(claims):
    """Hashed once, what it is made of would be 128 bytes, and its hash no leaf."""
    hashed = keccak256()
    words = [
        b"".join(hashed(name.encode()) for name in (c.vault, c.asset, c.account))
        + c.cumulative.to_bytes(32, "big")
        for c in claims
    ]

    assert leaf_hashes(claims) == [hashed(hashed(each)) for each in words]


def test_tree_of_one_claim_is_its_leaf():
    (claim,) = several(1)

    assert proves(claim.leaf, claim, [])
    assert not proves(EMPTY, claim, [])
    assert not proves(claim.leaf, replace(claim, cumulative=2), [])


def test_progress_is_told_while_a_tree_grows():
    told: list[int] = []
    leaves = [n.to_bytes(32, "big") for n in range(40_000)]
    merkle_tree(leaves, told.append)

    assert told == [1 << 14, 2 << 14]


# JSON


@given(CLAIMS, st.integers(0, AMOUNT_MAX))
def test_proof_is_read_as_it_was_told(claims, epoch):
    proof = replace(proof_of(claims, claims[0]), epoch=epoch)

    assert read_proof(proof.told()) == proof


def test_hash_may_be_written_in_capitals():
    claims = several(3)
    proof = proof_of(claims, claims[0])
    path = [f"0x{each[2:].upper()}" for each in proof.path]

    assert proves(f"0x{proof.root[2:].upper()}", claims[0], path)


@pytest.mark.parametrize(
    ("field", "value", "refusal", "said"),
    [
        ("vault", "", Malformed, "vault is ''; it must be 1 to 200 printable"),
        ("vault", "x" * 201, Malformed, "vault is 'xx"),
        ("asset", "us\td", Malformed, "asset is 'us"),
        ("account", "ann\n", Malformed, "account is 'ann"),
        ("account", "\ud800", Malformed, "account is "),
        ("account", None, Malformed, "account is 'None'"),
        ("account", ["ann"], Malformed, "account is "),
        ("cumulative", 0, ZeroAmount, "cumulative is 0"),
        ("cumulative", -1, NegativeAmount, "cumulative is -1"),
        ("cumulative", AMOUNT_MAX + 1, AmountTooLarge, "cumulative is 10000000"),
        ("cumulative", 1.0, Malformed, "cumulative is 1.0; it must be a whole"),
        ("cumulative", "1", Malformed, "cumulative is '1'; it must be a whole"),
        ("cumulative", True, Malformed, "cumulative is True; it must be a whole"),
        ("epoch", -1, NegativeAmount, "epoch is -1"),
        ("epoch", "7", Malformed, "epoch is '7'"),
        ("root", "0x12", Malformed, "root is '0x12'; it must be 0x and 64 hex"),
        ("root", "12" * 33, Malformed, "root is '1212"),
        ("root", f"0x{'ab' * 32}\n", Malformed, "root is '0xab"),
        ("root", None, Malformed, "root is 'None'"),
        ("path", None, Malformed, "path is 'None'; it must be a list"),
        ("path", "0x", Malformed, "path is '0x'; it must be a list"),
        ("path", [EMPTY, 3], Malformed, "node 2 of the path is '3'"),
        ("path", [EMPTY] * 33, Malformed, "the path has 33 nodes; 32 are the most"),
    ],
)
def test_what_is_no_proof_is_refused_with_the_field(field, value, refusal, said):
    claims = several(3)
    told = proof_of(claims, claims[0]).told() | {field: value}

    with pytest.raises(refusal) as refused:
        read_proof(told)
    assert str(refused.value).startswith(said)


def test_missing_fields_are_named():
    with pytest.raises(Malformed, match="no epoch and no root; it must have vault, "):
        read_proof(dict.fromkeys(("vault", "asset", "account", "cumulative", "path")))


@pytest.mark.parametrize("told", [None, [], "claim", 3])
def test_proof_is_an_object(told):
    with pytest.raises(Malformed, match="a claim is an object with vault, asset"):
        read_proof(told)


def test_path_of_the_longest_length_is_followed():
    claim = several(1)[0]

    assert not proves(EMPTY, claim, [EMPTY] * DEPTH_MAX)
    with pytest.raises(Malformed, match="the path has 33 nodes"):
        proves(EMPTY, claim, [EMPTY] * (DEPTH_MAX + 1))


@pytest.mark.parametrize(
    ("spoilt", "refusal"),
    [
        ({"cumulative": 0}, ZeroAmount),
        ({"cumulative": -1}, NegativeAmount),
        ({"cumulative": AMOUNT_MAX + 1}, AmountTooLarge),
        ({"vault": ""}, Malformed),
        ({"asset": ""}, Malformed),
        ({"account": "a\nb"}, Malformed),
    ],
)
def test_claim_that_cannot_be_has_no_leaf(spoilt, refusal):
    with pytest.raises(refusal):
        _ = replace(several(1)[0], **spoilt).leaf
