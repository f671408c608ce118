"""Three receipts that are in order: a deposit, a payment out of it, and a record."""

from coopera.ledger import GENESIS, AccountId, Receipt, Transfer
from coopera.store import Batch
from coopera.store.base import Cell
from coopera.units import AMOUNT_MAX

MARKET, ANN, GPU = map(
    AccountId, ("market:usd", "consumer:ann:credit", "supplier:gpu:usd")
)
HASH = bytes(range(80, 112))
"""One that holds a backslash."""

BODY = r'{"amount":12,"note":"C:\\temp\tA\u0000 é € 😀 \"%s\" ? \\N"}'


def receipt(number, *, first=1, transfers=0, **changed) -> Receipt:
    plain = Receipt(
        number,
        f"key-{number:04d}",
        "operator",
        "deposit",
        1_790_000_000_000_000 + number,
        BODY,
        '[{"formula":"services.fee","arguments":[1]}]',
        first,
        transfers,
        GENESIS,
    )
    return plain._replace(**changed)


RECEIPTS = [
    receipt(1, transfers=1),
    receipt(2, first=2, transfers=2, caller="consumer:ann", hash=HASH),
    receipt(3, first=4, key="key-0001", caller="consumer:ann"),
]
TRANSFERS = [
    Transfer(MARKET, ANN, AMOUNT_MAX, "deposit"),
    Transfer(ANN, GPU, 7, "services.fee", 0, 1),
    Transfer(ANN, GPU, 5, "tip"),
]
CELLS = {
    MARKET: Cell(1, -AMOUNT_MAX, 1),
    ANN: Cell(2, AMOUNT_MAX - 12, 3),
    GPU: Cell(3, 12, 3),
}


def world() -> Batch:
    """Make the rows of the first three receipts."""
    return Batch(
        receipts=[field for each in RECEIPTS for field in each],
        transfers=[
            *(1, 1, 1, 2, AMOUNT_MAX, "deposit", -1, 0, 0, 0),
            *(2, 2, 2, 3, 7, "services.fee", 0, 1, 1, 0),
            *(3, 2, 2, 3, 5, "tip", -1, 0, 2, 2),
        ],
        accounts=[1, MARKET, 2, ANN, 3, GPU],
        balances=[
            *(1, -AMOUNT_MAX, 1),
            *(2, AMOUNT_MAX - 12, 3),
            *(3, 12, 3),
        ],
        **changed(
            ("hold", "early", 2, BODY, 100),
            ("hold", "late", 2, "{}", 200),
            ("agent", "writer", 2, '{"version":1}', None),
            ("agent", "writer", 3, '{"version":2}', None),
            ("agent", "reader", 3, "{}", None),
        ),
    )


def changed(*versions):
    """Make the rows of records: all versions, and the latest of each."""
    last = {version[:2]: version for version in versions}
    return {
        "records": [
            field
            for kind, name, receipt, body, _ in versions
            for field in (receipt, kind, name, body)
        ],
        "latest": [field for version in last.values() for field in version],
    }


def payment() -> Batch:
    """Make the rows of a fourth receipt: one more unit of pay, and a new account."""
    return Batch(
        receipts=[*receipt(4, first=4, transfers=1)],
        transfers=[4, 4, 2, 4, 1, "tip", -1, 0, 3, 0],
        accounts=[4, "supplier:cpu:usd"],
        balances=[2, AMOUNT_MAX - 13, 4, 4, 1, 4],
        **changed(("agent", "writer", 4, '{"version":3}', None)),
    )


def contents(store):
    """Read all that a store tells."""
    head = store.head()
    receipts = [store.receipt(i + 1) for i in range(head.receipt)]
    return (
        head,
        receipts,
        [store.transfers(each) for each in receipts],
        {path: store.cell(path) for path in store.balances()},
        {kind: dict(store.records(kind)) for kind in ("hold", "agent")},
        {kind: dict(store.open_records(kind)) for kind in ("hold", "agent")},
        store.due(1_000),
    )
