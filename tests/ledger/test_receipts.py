"""A receipt's hash stands for every field of it, and for all receipts before."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.ledger import GENESIS, AccountId, Transfer
from coopera.ledger.chain import receipt_hash

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


def by_hand(previous, header, transfers, records):
    """Hash a receipt as anybody would who has only the description."""
    array = [*header, [[*each] for each in transfers], [[*each] for each in records]]
    written = json.dumps(array, ensure_ascii=False, separators=(",", ":"))
    return sha256(previous + written.encode("utf-8")).digest()


def test_hash_is_as_documented():
    written = (
        '[7,"key-00000007","operator","deposit",1700,'
        r'"{\"a\":1}","[[\"f\",[1]]]",'
        '[["market:usd","consumer:alice:credit",25,"deposit",-1,0],'
        '["consumer:alice:credit","settlement:taxes",3,"tax",0,2]],'
        r'[["reference","deposit:usd:ch_1","{\"id\":\"deposit:usd:ch_1\"}"],'
        r'["gpu","a100","{\"id\":\"a100\",\"price\":25}"]]]'
    )

    assert sha256(bytes(32) + written.encode()).digest() == IN_ORDER
    assert by_hand(GENESIS, HEADER, TRANSFERS, RECORDS) == IN_ORDER


def test_receipt_without_transfers_or_records_is_its_header():
    assert receipt_hash(IN_ORDER, HEADER, (), ()) == by_hand(IN_ORDER, HEADER, (), ())


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_hashed_as_documented(text):
    header = (*HEADER[:-1], text)

    assert receipt_hash(GENESIS, header, (), ((text, text, text),)) == by_hand(
        GENESIS, header, (), [(text, text, text)]
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
