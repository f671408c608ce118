"""Roots of work, and proofs of single units, as anybody can recompute them."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import Malformed
from coopera.protocol.merkle import Units, merkle_proof, merkle_root, proves

KNOWN = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
"""Leaves of the test vectors that implementations of RFC 6962 share."""
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
UNITS = st.lists(st.binary(max_size=40), min_size=1, max_size=40)


@pytest.mark.parametrize("count", range(1, 9))
def test_root_is_that_of_rfc_6962(count):
    assert merkle_root(KNOWN[:count]) == ROOTS[count - 1]


@given(UNITS, st.data())
def test_unit_is_proven_at_its_place_alone(units, data):
    root = merkle_root(units)
    count = len(units)
    index = data.draw(st.integers(0, count - 1))
    elsewhere = data.draw(st.integers(0, count - 1))
    other = data.draw(st.binary(max_size=40))
    path = merkle_proof(units, index)

    assert proves(root, units[index], index, count, path)
    assert len(path) <= (count - 1).bit_length()
    # Units that are alike may prove each other's place.
    if units[elsewhere] != units[index]:
        assert not proves(root, units[index], elsewhere, count, path)
    if other != units[index]:
        assert not proves(root, other, index, count, path)
    assert not proves("00" * 32, units[index], index, count, path)


@given(UNITS, st.data())
def test_proof_that_was_changed_proves_nothing(units, data):
    index = data.draw(st.integers(0, len(units) - 1))
    root, path = merkle_root(units), list(merkle_proof(units, index))
    spoilt = [[*path, "00" * 32]]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        spoilt += [path[:-1], [*path[:at], "00" * 32, *path[at + 1 :]]]
    for each in spoilt:
        assert not proves(root, units[index], index, len(units), each)


@given(UNITS, st.data())
def test_any_change_of_a_unit_changes_the_root(units, data):
    index = data.draw(st.integers(0, len(units) - 1))
    other = data.draw(st.binary(max_size=40))
    changed = [*units[:index], other, *units[index + 1 :]]

    assert (merkle_root(changed) == merkle_root(units)) is (other == units[index])


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=2))
def test_node_cannot_pass_for_a_unit(units):
    leaves = [sha256(b"\x00" + each).digest() for each in units]
    root = merkle_root(units)

    assert root == sha256(b"\x01" + b"".join(leaves)).hexdigest()
    assert merkle_root([b"\x01" + b"".join(leaves)]) != root
    assert merkle_root([b"".join(leaves)]) != root


@given(st.binary(min_size=1, max_size=200), st.data())
def test_units_are_the_whole_content_in_parts_that_differ_by_a_byte(content, data):
    count = data.draw(st.integers(1, len(content)))
    units = Units(content, count)
    sizes = [len(each) for each in units]

    assert b"".join(units) == content
    assert len(units) == len(sizes) == count
    assert min(sizes) > 0
    assert max(sizes) - min(sizes) <= 1
    assert list(units[1:]) == [units[i] for i in range(1, count)]


def test_content_with_fewer_bytes_than_units_is_refused():
    with pytest.raises(Malformed, match="2 bytes and is checked in 3 units"):
        Units(b"ab", 3)


@pytest.mark.parametrize("index", [-1, 2])
def test_there_is_no_unit_outside(index):
    with pytest.raises(IndexError):
        Units(b"abc", 2)[index]
