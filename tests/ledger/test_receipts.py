"""A receipt's hash stands for every field of it, and for all receipts before."""

from hashlib import sha256

import pytest

from coopera.ledger import GENESIS, AccountId, Transfer, receipt_hash

HEADER = (7, "key-00000007", "operator", "deposit", 1700, '{"a":1}', '[["f",[1]]]')
TRANSFERS = (
    Transfer(
        AccountId("market:usd"), AccountId("consumer:alice:credit"), 25, "deposit"
    ),
    Transfer(
        AccountId("consumer:alice:credit"),
        AccountId("settlement:taxes"),
        3,
        "tax",
        0,
        2,
    ),
)
RECORDS = (
    ("reference", "deposit:usd:ch_1", '{"id":"deposit:usd:ch_1"}'),
    ("gpu", "a100", '{"id":"a100","price":25}'),
)
IN_ORDER = receipt_hash(GENESIS, HEADER, TRANSFERS, RECORDS)


def test_lines_are_as_documented():
    lines = (
        "7\tkey-00000007\toperator\tdeposit\t1700\t"
        '{"a":1}\t[["f",[1]]]\n'
        "market:usd\tconsumer:alice:credit\t25\tdeposit\t-1\t0\n"
        "consumer:alice:credit\tsettlement:taxes\t3\ttax\t0\t2\n"
        'reference\tdeposit:usd:ch_1\t{"id":"deposit:usd:ch_1"}\n'
        'gpu\ta100\t{"id":"a100","price":25}\n'
    )

    assert sha256(bytes(32) + lines.encode()).digest() == IN_ORDER


def test_receipt_without_transfers_or_records_is_its_header():
    line = "\t".join(map(str, HEADER)) + "\n"

    assert receipt_hash(IN_ORDER, HEADER, (), ()) == (
        sha256(IN_ORDER + line.encode()).digest()
    )


def test_hash_counts_bytes_of_utf_8():
    record = ("reference", "deposit:usd:\N{LATIN SMALL LETTER E WITH ACUTE}", "{}")
    line = "\t".join(map(str, HEADER)) + "\n" + "\t".join(record) + "\n"

    assert receipt_hash(GENESIS, HEADER, (), (record,)) == (
        sha256(GENESIS + line.encode("utf-8")).digest()
    )


def other(value):
    return value + 1 if isinstance(value, int) else f"{value}x"


@pytest.mark.parametrize("field", range(len(HEADER)))
def test_another_header_is_another_hash(field):
    header = [*HEADER]
    header[field] = other(header[field])

    assert receipt_hash(GENESIS, header, TRANSFERS, RECORDS) != IN_ORDER


@pytest.mark.parametrize("row", range(len(TRANSFERS)))
@pytest.mark.parametrize("field", Transfer._fields)
def test_another_transfer_is_another_hash(row, field):
    transfers = [*TRANSFERS]
    was = getattr(transfers[row], field)
    transfers[row] = transfers[row]._replace(**{field: other(was)})

    assert receipt_hash(GENESIS, HEADER, transfers, RECORDS) != IN_ORDER


@pytest.mark.parametrize("row", range(len(RECORDS)))
@pytest.mark.parametrize("field", range(3))
def test_another_record_is_another_hash(row, field):
    records = [[*record] for record in RECORDS]
    records[row][field] = other(records[row][field])

    assert (
        receipt_hash(GENESIS, HEADER, TRANSFERS, [(a, b, c) for a, b, c in records])
        != IN_ORDER
    )


def test_order_counts():
    assert receipt_hash(GENESIS, HEADER, TRANSFERS[::-1], RECORDS) != IN_ORDER
    assert receipt_hash(GENESIS, HEADER, TRANSFERS, RECORDS[::-1]) != IN_ORDER


def test_what_is_left_out_counts():
    assert receipt_hash(GENESIS, HEADER, TRANSFERS[:1], RECORDS) != IN_ORDER
    assert receipt_hash(GENESIS, HEADER, TRANSFERS, RECORDS[:1]) != IN_ORDER


def test_every_receipt_before_counts():
    assert receipt_hash(b"\x01" + bytes(31), HEADER, TRANSFERS, RECORDS) != IN_ORDER
    assert receipt_hash(bytes(31) + b"\x01", HEADER, TRANSFERS, RECORDS) != IN_ORDER
