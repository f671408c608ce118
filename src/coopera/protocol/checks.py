"""What fields of commands must be like, whoever sends them."""

import re
from typing import Final, NamedTuple

from coopera.errors import (
    AlreadyExists,
    AmountTooLarge,
    CurrencyMismatch,
    Malformed,
    NegativeAmount,
    NotAllowed,
    UnknownAsset,
    UnknownRecord,
    UnknownService,
    ZeroAmount,
)
from coopera.ledger import (
    NAME,
    ROLES,
    Account,
    AccountId,
    Asset,
    Remembered,
    bounds_of,
    kind_of,
    named_account,
    owner_of,
)
from coopera.params import Params, Project
from coopera.protocol.state import PreState, R
from coopera.units import AMOUNT_MAX, WAD, Wad

NAMES_REMEMBERED: Final = 1 << 16
"""Members whose names are known to be good; others are checked again."""

DIGEST: Final = re.compile(r"[0-9a-f]{64}")
WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a word ends in the name of a class."""

NAMED: Final = (
    "a name has 1 to 64 letters from a to z, digits, dots, dashes and underscores, and "
    "starts with a letter or digit"
)
"""How names are written."""

TEXT_MAX: Final = 200
"""Most characters of a reference or a memo."""


def count(name: str, value: object) -> int:
    """Check a whole number. Refuses `Malformed`, `NegativeAmount`, `AmountTooLarge`."""
    if type(value) is not int:
        raise Malformed(f"{name} is {value!r}; it must be a whole number")
    if value < 0:
        raise NegativeAmount(f"{name} is {value}; it must not be below 0")
    if value > AMOUNT_MAX:
        raise AmountTooLarge(f"{name} is {value}; it may be {AMOUNT_MAX} at most")
    return value


def fraction(name: str, value: object) -> Wad:
    """Check a part of a whole in fixed point, above zero. Refuses with `Malformed`."""
    if type(value) is not int or not 0 < value <= WAD:
        raise Malformed(f"{name} is {str(value)[:80]}; it must be from 1 to {WAD}")
    return Wad(value)


def flag(name: str, value: object) -> bool:
    """Check a yes or no. Refuses with `Malformed`."""
    if type(value) is not bool:
        raise Malformed(f"{name} is {str(value)[:80]!r}; it must be true or false")
    return value


def amount(name: str, value: object) -> int:
    """Check what must not be nothing: as `count`, and refuses `ZeroAmount`."""
    whole = count(name, value)
    if whole == 0:
        raise ZeroAmount(f"{name} is 0; it must be above 0")
    return whole


def new_name(what: str, name: object) -> str:
    """Check a name to be given. Refuses with `Malformed`."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Malformed(f"{what} is {str(name)[:80]!r}; {NAMED}")
    return name


def digest(what: str, written: object) -> str:
    """Check 32 bytes in lower-case hexadecimal. Refuses with `Malformed`."""
    if not isinstance(written, str) or not DIGEST.fullmatch(written):
        raise Malformed(
            f"{what} is {str(written)[:80]!r}; it must be 64 hexadecimal digits"
        )
    return written


def text(what: str, written: object, *, empty: bool = False) -> str:
    """Check a reference or memo. Refuses with `Malformed`."""
    if (
        not isinstance(written, str)
        or len(written) > TEXT_MAX
        or not (written or empty)
        or not (written.isprintable())
    ):
        raise Malformed(
            f"{what} is {str(written)[:80]!r}; it must be 1 to {TEXT_MAX} printable "
            "characters"
        )
    return written


class Member(NamedTuple):
    """Whom a command names, as `role:name`, and the accounts that this may mean."""

    id: str
    role: str
    usd: AccountId
    """Dollars earned."""
    token: AccountId
    """Tokens in custody."""
    credit: AccountId
    """Service credits, of a consumer."""
    grant: AccountId


def _member(owner: str) -> Member | None:
    role, _, name = owner.partition(":")
    if role not in ROLES or not NAME.fullmatch(name):
        return None
    named = (AccountId(f"{owner}:{a}") for a in ("usd", "token", "credit", "grant"))
    return Member(owner, role, *named)


_MEMBERS: Final = Remembered(_member, NAMES_REMEMBERED)


def member(what: str, owner: object, *roles: str) -> Member:
    """Check whom a command names. Refuses with `Malformed`."""
    found = _MEMBERS[owner] if type(owner) is str else None
    if found is None or (roles and found.role not in roles):
        role, colon, _ = str(owner).partition(":")
        if found is None and colon and role in (roles or ROLES):
            raise Malformed(f"{what} is {str(owner)[:80]!r}; after {role}: {NAMED}")
        raise Malformed(
            f"{what} is {str(owner)[:80]!r}; write it as role:name, where the role is "
            f"{' or '.join(roles or ROLES)}"
        )
    return found


def usd_of(owner: str) -> AccountId:
    """Name the account of what a known member earns in dollars."""
    member = _MEMBERS[owner]
    assert member is not None
    return member.usd


def members_account(path: object, asset: object) -> AccountId:
    """
    Find the account that a person names, and check what it holds.

    Refusals, in order of precedence: `UnknownAsset`, `UnknownAccount`,
    `CurrencyMismatch`.
    """
    if asset not in list(Asset):
        raise UnknownAsset(
            f"there is no asset {str(asset)[:80]!r}; it must be one of "
            f"{', '.join(Asset)}"
        )
    found = named_account(str(path))
    holds = kind_of(found).asset
    if holds != asset:
        raise CurrencyMismatch(f"{found} holds {holds.value} and not {asset}")
    return found


def own_account(path: object, asset: object) -> AccountId:
    """
    Find an account that a member may pay from, or be paid to: not the network's own.

    Refusals, in order of precedence: as of `members_account`, `NotAllowed`.
    """
    found = members_account(path, asset)
    if not owner_of(found):
        raise NotAllowed(f"{found} is the network's own; name a member's account")
    if kind_of(found).gives_back:
        raise NotAllowed(f"{found} pays for services alone; name another account")
    return found


def row(params: Params, pipeline: object) -> tuple[Wad, ...]:
    """Find a row of the payment matrix. Refuses with `UnknownService`."""
    rows = params.matrix.rows
    if not isinstance(pipeline, str) or pipeline not in rows:
        raise UnknownService(
            f"the payment matrix has no row {str(pipeline)[:80]!r}; it has "
            f"{', '.join(rows)}"
        )
    return rows[pipeline]


def project(params: Params, name: object) -> Project:
    """Find a project. Refuses with `UnknownService`."""
    for each in params.projects:
        if each.name == name:
            return each
    raise UnknownService(
        f"there is no project {str(name)[:80]!r}; there are "
        f"{', '.join(each.name for each in params.projects)}"
    )


def opened(pre: PreState, path: AccountId) -> None:
    """Refuse an account that was never opened, or is closed."""
    bounds_of(path, lambda path: pre.record(Account, path))


def existing(pre: PreState, kind: type[R], name: str) -> R:
    """Find a record. Refuses with `UnknownRecord`."""
    found = pre.record(kind, name)
    if found is None:
        raise UnknownRecord(f"there is no {_called(kind)} {str(name)[:80]!r}")
    return found


def not_yet(pre: PreState, kind: type[R], name: str) -> None:
    """Refuse with `AlreadyExists` a name that is taken."""
    if pre.record(kind, name) is not None:
        raise AlreadyExists(f"there is a {_called(kind)} {name} already")


def _called(kind: type) -> str:
    """Name a class of records as people do: `DataSet` is a data set."""
    return WORD.sub(" ", kind.__name__).lower()
