"""Several commands of one kind, given one after the other as if they were one."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from coopera.cli.books.access import new_key
from coopera.cli.books.showing import plural
from coopera.errors import Busy, Refusal, Unavailable

if TYPE_CHECKING:
    from coopera.ledger import Receipt, Transfer


class Giving(NamedTuple):
    """How commands are given."""

    url: str
    key: str | None
    caller: str


class Given(NamedTuple):
    """What came of one of them."""

    receipt: "Receipt"
    moved: "Sequence[Transfer]"


def give_each(
    how: Giving,
    commands: Iterable[object],
    progress: Callable[[int], object] = lambda _: None,
    stops: Callable[[Refusal], bool] = lambda _: False,
) -> list[Given]:
    """
    Give commands in turn, under keys that follow from one; progress is told how many.

    A refusal for which `stops` is true ends it in peace. Another one says how many were
    done before it, and passes.
    """
    from coopera.service import Request, Writer
    from coopera.store.opening import open_store

    key = how.key or new_key()
    busy = (Busy, Unavailable)
    given: list[Given] = []
    store: Any = open_store(how.url)
    with Writer(store) as writer:
        for number, command in enumerate(commands):
            try:
                receipt = writer.execute(
                    Request(f"{key}:{number}", how.caller, command)
                )
            except Refusal as refusal:
                if stops(refusal):
                    break
                if not given and not isinstance(refusal, busy):
                    raise
                raise type(refusal)(
                    f"{refusal} (done before it: {plural(len(given), 'command')}, by "
                    f"the key {key})"
                ) from None
            given.append(Given(receipt, store.transfers(receipt)))
            progress(len(given))
    return given
