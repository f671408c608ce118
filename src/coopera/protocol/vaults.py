"""
Royalty vaults: who holds how many units of a model, and what its revenue brings them.

A vault has a fixed supply of units. Revenue is counted by an index, of micro-units of
money a whole supply, so that to record a payment, and to say what a holder may claim,
costs the same however many holders, rounds and payments there were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import (
    AlreadyClaimed,
    AlreadyExists,
    EpochOutOfOrder,
    Malformed,
    NotAllowed,
    NotProven,
    PartsExceedWhole,
    StaleClaim,
    UnknownAsset,
    UnknownRecord,
)
from coopera.formulas import royalty
from coopera.formulas.allocation import proportional_share
from coopera.ledger import AccountId, Asset, account, kind_of, owner_of
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.books import CURRENT
from coopera.protocol.claims import (
    Claimable,
    hash_bytes,
    proves,
    read_path,
    written,
)
from coopera.protocol.draft import Draft
from coopera.protocol.state import Diff, PreState
from coopera.units import MICRO, WAD, MicroUnit, Wad

HOLDERS: Final = ("contributor", "supplier", "creator")
"""Roles that may hold units."""
MONEY: Final = (Asset.USD, Asset.TOKEN)
"""What revenue may be in."""
PARENTS_MAX: Final = 8
"""Most models that a model is derived from; they may have parents in turn."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What units have earned of one asset."""

    index: int = 0
    """Of the vault, up to which it is counted."""
    total: int = 0
    """Micro-units earned, ever."""
    part: int = 0
    """Of one more micro-unit, in parts of the supply of units."""
    claimed: int = 0
    """Micro-units of the total that were paid."""


@dataclass(frozen=True, slots=True)
class Revenue:
    """What a vault has received of one asset."""

    index: int = 0
    """Micro-units that a whole supply of units would have earned."""
    carried: int = 0
    """Remainder of the last payment, in parts of the units that share."""
    received: int = 0
    """Micro-units recorded for the holders, ever."""
    reserve: Entitlement = Entitlement()
    """What units have earned that were not issued at the time."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Units of one model, and its revenue."""

    id: str
    """The training's name."""
    creator: str
    supply: MicroUnit
    compute: MicroUnit
    """Part of the supply that is compute's; the rest is data's."""
    parents: tuple[tuple[str, Wad], ...] = ()
    """Vaults of the models that it is derived from, and their parts of its revenue."""
    usd: Revenue = Revenue()
    token: Revenue = Revenue()
    closed: bool = False
    """Whether no more units will be issued."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a member's units of a vault have earned."""

    id: str
    """Vault and member."""
    usd: Entitlement
    token: Entitlement


@dataclass(frozen=True, slots=True)
class ClaimRoot:
    """Root of the tree of all that holders may claim."""

    id: str
    """`current`, or an epoch."""
    epoch: int
    root: str
    claims: int
    """Leaves of the tree."""


@dataclass(frozen=True, slots=True)
class PayRoyalty:
    """Command by which a model's revenue is paid into its vault."""

    vault: str
    payer: str
    """Account of a member."""
    asset: str
    amount: int
    memo: str = ""


@dataclass(frozen=True, slots=True)
class CollectRevenue:
    """Command by which what was paid into a vault is recorded, and passed on."""

    vault: str


@dataclass(frozen=True, slots=True)
class MoveUnits:
    """Command by which a member gives units to another; what they earned stays."""

    vault: str
    holder: str
    receiver: str
    amount: int


@dataclass(frozen=True, slots=True)
class PublishClaims:
    """Command by which the root of an epoch's claims is published."""

    epoch: int
    root: str
    claims: int


@dataclass(frozen=True, slots=True)
class ClaimRoyalty:
    """Command by which a holder is paid what a published claim proves."""

    holder: str
    vault: str
    asset: str
    cumulative: int
    """Micro-units earned, ever; what was paid before is taken off."""
    epoch: int
    path: tuple[str, ...]
    """What stands beside the way from the leaf to the root."""


def pay_royalty(pre: PreState, _params: Params, command: PayRoyalty) -> Diff:
    """
    Pay revenue into a vault.

    Refusals, in order of precedence: `UnknownRecord` for the vault; of the payer those
    of an own account, `UnknownAsset` for points, `NotAllowed` for credits; those of the
    amount, `Malformed` for the memo, those of the accounts.
    """
    vault = checks.existing(pre, Vault, command.vault)
    payer = checks.own_account(command.payer, command.asset)
    asset = kind_of(payer).asset
    if asset not in MONEY:
        raise UnknownAsset(f"asset is {asset.value}; revenue is usd or token")
    if owner_of(payer).startswith("consumer:"):
        raise NotAllowed(f"{payer} can be spent or withdrawn; name an account earned")
    amount = checks.amount("amount", command.amount)
    checks.text("memo", command.memo, empty=True)
    draft = Draft(pre)
    draft.move(payer, inflow_of(vault.id, asset), amount, "royalty")
    return draft.diff()


def collect_revenue(pre: PreState, _params: Params, command: CollectRevenue) -> Diff:
    """Record what was paid into a vault. Refuses with `UnknownRecord`."""
    draft = Draft(pre)
    collect(draft, pre, command.vault)
    return draft.diff()


def move_units(pre: PreState, _params: Params, command: MoveUnits) -> Diff:
    """
    Move units from a member to another, with what they will earn.

    Refusals, in order of precedence: `UnknownRecord`, `Malformed` for the members,
    `NotAllowed` for a move to itself, those of the amount and of the accounts.
    """
    vault = checks.existing(pre, Vault, command.vault)
    holder = checks.member("holder", command.holder, *HOLDERS)
    receiver = checks.member("receiver", command.receiver, *HOLDERS)
    if holder.id == receiver.id:
        raise NotAllowed(f"{holder.id} is named twice; name another receiver")
    amount = checks.amount("amount", command.amount)
    checks.opened(pre, receiver.usd)
    draft = Draft(pre)
    vault = collect(draft, pre, vault.id)
    for each in (holder.id, receiver.id):
        settle(draft, pre, vault, each)
    source, to = (units_of(vault.id, each) for each in (holder.id, receiver.id))
    draft.move(source, to, amount, "units moved")
    return draft.diff()


def publish_claims(pre: PreState, _params: Params, command: PublishClaims) -> Diff:
    """
    Publish the root of an epoch's claims; the one before it is no longer good.

    Refusals, in order of precedence: those of the numbers, `Malformed` for the root,
    `EpochOutOfOrder`.
    """
    epoch = checks.amount("epoch", command.epoch)
    claims = checks.amount("claims", command.claims)
    root = written(hash_bytes("root", command.root))
    last = pre.record(ClaimRoot, CURRENT)
    expected = last.epoch + 1 if last else 1
    if epoch != expected:
        raise EpochOutOfOrder(
            f"epoch is {epoch}; the claims of epoch {expected} are published next"
        )
    published = (ClaimRoot(name, epoch, root, claims) for name in (CURRENT, str(epoch)))
    return Diff(records=tuple(published))


def claim_royalty(pre: PreState, _params: Params, command: ClaimRoyalty) -> Diff:
    """
    Pay a holder what it has earned, was published, and was not paid yet.

    A root that says more than the books, as that of an operator who lies, pays nothing
    more: the books say what was earned. What leads to the root that is good now is good
    whatever its epoch, which no leaf contains: so a contract would find too. Where it
    leads elsewhere, the epoch tells a claim that is too old from one that never was.

    Refusals, in order of precedence: `Malformed` for the holder, `UnknownAsset`, those
    of the numbers, `Malformed` for the path, `UnknownRecord` for the vault and the
    root, `StaleClaim`, `NotProven`, `UnknownRecord` for the holding, `AlreadyClaimed`,
    `NotProven` for more than was earned, those of the accounts.
    """
    holder = checks.member("holder", command.holder, *HOLDERS)
    if command.asset not in MONEY:
        raise UnknownAsset(f"asset is {str(command.asset)[:80]!r}; it is usd or token")
    asset = Asset(command.asset)
    cumulative = checks.amount("cumulative", command.cumulative)
    epoch = checks.count("epoch", command.epoch)
    read_path(command.path)
    vault = checks.existing(pre, Vault, command.vault)
    published = pre.record(ClaimRoot, CURRENT)
    if published is None:
        raise UnknownRecord(
            "no claims are published yet; they are paid once the operator has "
            "published what all holders have earned"
        )
    claim = Claimable(vault.id, asset.value, holder.id, cumulative)
    if not proves(published.root, claim, command.path):
        if epoch != published.epoch:
            raise StaleClaim(
                f"the claim is of epoch {epoch}, and the claims of epoch "
                f"{published.epoch} are good now; ask for a new proof"
            )
        raise NotProven(
            f"that {holder.id} earned {cumulative} in vault {vault.id}, in micro-units"
            f" of {asset.value}, is not in the claims of epoch {epoch}; ask for a proof"
        )
    draft = Draft(pre)
    held = checks.existing(pre, Holding, holding_name(vault.id, holder.id))
    holding = settled(pre, draft, vault, held)
    earned: Entitlement = getattr(holding, asset.value)
    if cumulative <= earned.claimed:
        raise AlreadyClaimed(
            f"{holder.id} was paid {earned.claimed} by vault {vault.id} before, in "
            f"micro-units of {asset.value}, which is all of this claim"
        )
    if cumulative > earned.total:
        raise NotProven(
            f"{holder.id} has earned {earned.total} in vault {vault.id}, in micro-units"
            f" of {asset.value}, and not {cumulative}; what was published is wrong"
        )
    to = holder.usd if asset is Asset.USD else holder.token
    revenue = account("vault", vault.id, asset.value)
    draft.move(revenue, to, cumulative - earned.claimed, "royalty claimed")
    draft.put(_with(holding, asset, replace(earned, claimed=cumulative)))
    return draft.diff()


# for other rules


def new_vault(
    draft: Draft,
    pre: PreState,
    params: Params,
    name: str,
    creator: str,
    parents: Sequence[tuple[str, int]],
) -> None:
    """
    Make a vault, with all its units, for compute and for data to come.

    Refusals, in order of precedence: `Malformed`, `UnknownRecord`, those of the shares,
    `AlreadyExists` for a parent named twice, `PartsExceedWhole`.
    """
    supply = MicroUnit(params.royalty.royalty_units * MICRO)
    compute = royalty.compute_pool(supply, params.royalty.compute_fraction)
    draft.put(Vault(name, creator, supply, compute, _parents(pre, parents)))
    issued = account("vault", name, "issued")
    working = draft.works(
        "royalty.compute_pool", (supply, params.royalty.compute_fraction)
    )
    sides = [account("vault", name, side) for side in ("compute", "data")]
    draft.move(issued, sides[0], compute, "units for compute", working)
    # The formula gives compute's units alone; data's are the rest.
    draft.move(issued, sides[1], supply - compute, "units for data")


def issue(
    draft: Draft,
    pre: PreState,
    vault: Vault,
    side: str,
    shares: Sequence[tuple[str, int]],
    working: int,
) -> Vault:
    """Issue units of a side to members; they share in what is paid from now on."""
    vault = collect(draft, pre, vault.id)
    vault = _settle_reserve(draft, pre, vault)
    together: dict[str, int] = {}
    for member, units in shares:
        together[member] = together.get(member, 0) + units
    for member in together:
        settle(draft, pre, vault, member)
    source = account("vault", vault.id, side)
    for part, (member, units) in enumerate(shares):
        to = units_of(vault.id, member)
        draft.move(source, to, units, f"units for {side}", working, part)
    return vault


def close_vault(draft: Draft, pre: PreState, name: str, heir: str) -> None:
    """
    Issue no more units of a vault; what those not issued have earned, the others get.

    From now on the issued units share all revenue. Where none was issued, the heir gets
    all of them: revenue that is nobody's would be lost.
    """
    vault = collect(draft, pre, name)
    if _unissued(pre, draft, vault) == vault.supply:
        for side in ("compute", "data"):
            units = pre.balance(account("vault", name, side))
            vault = issue(draft, pre, vault, side, [(heir, units)], -1)
    vault = replace(_settle_reserve(draft, pre, vault), closed=True)
    for asset in MONEY:
        revenue: Revenue = getattr(vault, asset.value)
        left = revenue.reserve.total - revenue.reserve.claimed
        paid = replace(revenue.reserve, claimed=revenue.reserve.total, part=0)
        # Nothing was carried so far: until now the whole supply has shared. What is
        # shared once more is not received once more.
        received = revenue.received - left
        shared = replace(
            revenue, reserve=paid, carried=revenue.reserve.part, received=received
        )
        vault = _with_revenue(vault, asset, shared)
        vault = _recorded(pre, draft, vault, asset, left)
    draft.put(vault)


def collect(draft: Draft, pre: PreState, name: str) -> Vault:
    """Record what was paid into a vault, and pass on what its parents get."""
    vault = draft.existing(Vault, name)
    for asset in MONEY:
        inflow = inflow_of(name, asset)
        amount = pre.balance(inflow) - draft.taken(inflow)
        if not amount:
            continue
        left = amount
        for parent, share in vault.parents:
            passed = proportional_share(amount, share, WAD)
            left -= passed
            given = (amount, share, int(WAD))
            working = draft.works("allocation.proportional_share", given)
            draft.move(inflow, inflow_of(parent, asset), passed, "derived", working)
        to = account("vault", name, asset.value)
        draft.move(inflow, to, left, "revenue recorded")
        vault = _recorded(pre, draft, vault, asset, left)
    draft.put(vault)
    return vault


def settle(draft: Draft, pre: PreState, vault: Vault, member: str) -> None:
    """Count what a member's units have earned, before their number changes."""
    name = holding_name(vault.id, member)
    fresh = Holding(name, Entitlement(vault.usd.index), Entitlement(vault.token.index))
    held = draft.find(Holding, name)
    draft.put(fresh if held is None else settled(pre, draft, vault, held))


def settled(pre: PreState, draft: Draft, vault: Vault, holding: Holding) -> Holding:
    """Tell what a holding has earned by now."""
    path = units_of(vault.id, holding.id.partition(":")[2])
    units = MicroUnit(pre.balance(path) - draft.taken(path))
    return replace(
        holding,
        usd=_earned(holding.usd, vault, vault.usd, units),
        token=_earned(holding.token, vault, vault.token, units),
    )


def units_of(vault: str, member: str) -> AccountId:
    """Name the account of a member's units."""
    return AccountId(f"units:{vault}:{member}")


def inflow_of(vault: str, asset: Asset) -> AccountId:
    """Name the account that revenue is paid into."""
    return account("vault", vault, "inflow", asset.value)


def paid_into(path: AccountId) -> str:
    """Name the vault whose inflow an account is; empty for any other account."""
    whose, _, rest = path.partition(":")
    name, _, what = rest.partition(":")
    return name if whose == "vault" and what.startswith("inflow:") else ""


def holding_name(vault: str, member: str) -> str:
    """Name the record of what a member's units have earned."""
    return f"{vault}:{member}"


def _parents(
    pre: PreState, parents: Sequence[tuple[str, int]]
) -> tuple[tuple[str, Wad], ...]:
    """Check what parents get of a model's revenue."""
    if len(parents) > PARENTS_MAX:
        raise Malformed(
            f"there are {len(parents)} parents; a model has {PARENTS_MAX} at most"
        )
    declared: dict[str, Wad] = {}
    for name, share in parents:
        parent = checks.existing(pre, Vault, name)
        if parent.id in declared:
            raise AlreadyExists(f"vault {name} is named twice; name each parent once")
        declared[parent.id] = checks.fraction("share", share)
    if sum(declared.values()) >= WAD:
        raise PartsExceedWhole(
            f"the shares of the parents sum to {sum(declared.values()) / WAD}; they "
            "must leave something to the model's own contributors"
        )
    return tuple(declared.items())


def _unissued(pre: PreState, draft: Draft, vault: Vault) -> MicroUnit:
    sides = (account("vault", vault.id, side) for side in ("compute", "data"))
    return MicroUnit(sum(pre.balance(path) - draft.taken(path) for path in sides))


def _recorded(
    pre: PreState, draft: Draft, vault: Vault, asset: Asset, amount: int
) -> Vault:
    """Lift the index of a vault by a payment."""
    revenue: Revenue = getattr(vault, asset.value)
    sharing = vault.supply
    if vault.closed:
        sharing = MicroUnit(sharing - _unissued(pre, draft, vault))
    risen, carried = royalty.revenue_index(
        amount, revenue.carried, vault.supply, sharing
    )
    lifted = replace(
        revenue,
        index=revenue.index + risen,
        carried=carried,
        received=revenue.received + amount,
    )
    return _with_revenue(vault, asset, lifted)


def _settle_reserve(draft: Draft, pre: PreState, vault: Vault) -> Vault:
    """Count what units have earned that are not issued, before some are."""
    units = _unissued(pre, draft, vault)
    for asset in MONEY:
        revenue: Revenue = getattr(vault, asset.value)
        reserve = _earned(revenue.reserve, vault, revenue, units)
        vault = _with_revenue(vault, asset, replace(revenue, reserve=reserve))
    draft.put(vault)
    return vault


def _earned(
    was: Entitlement, vault: Vault, revenue: Revenue, units: MicroUnit
) -> Entitlement:
    risen = revenue.index - was.index
    whole, part = royalty.entitlement(units, risen, was.part, vault.supply)
    return replace(was, index=revenue.index, total=was.total + whole, part=part)


def _with_revenue(vault: Vault, asset: Asset, revenue: Revenue) -> Vault:
    if asset is Asset.USD:
        return replace(vault, usd=revenue)
    return replace(vault, token=revenue)


def _with(holding: Holding, asset: Asset, earned: Entitlement) -> Holding:
    if asset is Asset.USD:
        return replace(holding, usd=earned)
    return replace(holding, token=earned)
