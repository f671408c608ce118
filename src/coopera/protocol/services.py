"""
The value flows: what agents, models, trainings and jobs charge, and whom they pay.

Every charge is one group of transfers out of a consumer's service credits, that sums to
the fee. Taxes wait in `settlement:taxes` for the close of the day, which divides them
between the operations dollars and the buy-back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coopera.errors import (
    Malformed,
    PartsExceedWhole,
    UnknownKind,
)
from coopera.formulas import allocation, payments, services
from coopera.ledger import AccountId, Asset
from coopera.params import Params
from coopera.params.chapters import BuybackBase
from coopera.protocol import checks
from coopera.protocol.accounts import OPERATIONS, TAXES, WAITING_CAPITAL
from coopera.protocol.charge import Charge, Shares
from coopera.protocol.holds import pending_hold, released
from coopera.protocol.listing import Agent, DataType, Gpu, Model, listed
from coopera.protocol.state import Diff, PreState
from coopera.protocol.vaults import inflow_of
from coopera.units import WAD, MicroUsd, Wad

PARTIES_MAX: Final = 10_000
"""Most suppliers that one charge may pay."""


@dataclass(frozen=True, slots=True)
class CallAgent:
    """Command by which a call of an agent is charged, once it is metered."""

    consumer: str
    agent: str
    input_tokens: int
    output_tokens: int
    compute: tuple[tuple[str, int], ...]
    """Suppliers that served it, and the work that each did."""
    tools: tuple[tuple[str, int], ...] = ()
    """Creators whose tools it called, and how often."""
    hold: str = ""
    """Hold that reserved the credits; empty to charge them directly."""


@dataclass(frozen=True, slots=True)
class CallModel:
    """Command by which a call of a model is charged, once it is metered."""

    consumer: str
    model: str
    input_tokens: int
    output_tokens: int
    compute: tuple[tuple[str, int], ...]
    hold: str = ""


@dataclass(frozen=True, slots=True)
class Train:
    """Command by which a training is charged, once it is metered."""

    consumer: str
    compute: tuple[tuple[str, str, int], ...]
    """Suppliers, the type of compute that each gave, and for how many seconds."""
    data: tuple[tuple[str, str, int], ...] = ()
    """Contributors, the type of data that each gave, and how many units."""
    hold: str = ""


@dataclass(frozen=True, slots=True)
class PayJob:
    """Command by which a job is charged, and its suppliers are paid in dollars."""

    consumer: str
    pipeline: str
    """Row of the payment matrix."""
    price: int
    work: tuple[tuple[str, str, int], ...]
    """Kinds, suppliers of the kind, and the measured contribution of each."""
    hold: str = ""


def call_agent(pre: PreState, params: Params, command: CallAgent) -> Diff:
    """
    Charge a call of an agent, and split the fee among all who made it possible.

    Refusals, in order of precedence: `UnknownRecord`, those of the counts, `Malformed`
    for tools and compute, `ZeroAmount` for a call that costs nothing, `Malformed` for
    the consumer, `PartsExceedWhole`, those of the hold, those of the accounts.
    """
    agent = listed(pre, Agent, command.agent)
    model = listed(pre, Model, agent.model)
    priced = (
        checks.count("input_tokens", command.input_tokens),
        checks.count("output_tokens", command.output_tokens),
        agent.input_price,
        agent.output_price,
    )
    tools = _shares("tools", command.tools, "creator")
    compute = _shares("compute", command.compute, "supplier")
    fee = MicroUsd(checks.amount("fee", services.prompt_fee(*priced)))
    fees = params.fees
    fractions = (
        fee,
        fees.api_launchpad_tax,
        fees.api_template_fraction if agent.developer else Wad(0),
        fees.api_tools_fraction if tools else Wad(0),
        fees.api_serving_fraction,
    )
    split = services.agent_split(*fractions)
    charge = Charge(command.consumer)
    charge.works("services.prompt_fee", priced)
    working = charge.works("services.agent_split", fractions)
    charge.pay(TAXES, split.launchpad_tax, "launchpad tax", working, 0)
    if agent.developer:
        to = checks.usd_of(agent.developer)
        charge.pay(to, split.template, "template", working, 1)
    charge.share(tools, split.tools, "tools", working, 2)
    _pay_serving(charge, params, model, split.serving, compute)
    charge.pay(checks.usd_of(agent.creator), split.creator, "creator", working, 4)
    return _charged(pre, charge, fee, command.hold)


def call_model(pre: PreState, params: Params, command: CallModel) -> Diff:
    """
    Charge a call of a model, and split the fee between platform, owner and compute.

    Refusals: as of `call_agent`.
    """
    model = listed(pre, Model, command.model)
    priced = (
        checks.count("input_tokens", command.input_tokens),
        checks.count("output_tokens", command.output_tokens),
        model.input_price,
        model.output_price,
    )
    compute = _shares("compute", command.compute, "supplier")
    fee = MicroUsd(checks.amount("fee", services.prompt_fee(*priced)))
    charge = Charge(command.consumer)
    charge.works("services.prompt_fee", priced)
    _pay_serving(charge, params, model, fee, compute)
    return _charged(pre, charge, fee, command.hold)


def train(pre: PreState, params: Params, command: Train) -> Diff:
    """
    Charge a training by the compute and the data that it used.

    Refusals, in order of precedence: `Malformed`, those of the quantities,
    `UnknownRecord` for a type without a price, `ZeroAmount` for a training that costs
    nothing, `Malformed` for the consumer, those of the hold, those of the accounts.
    """
    compute = _supplied("compute", command.compute, "supplier")
    data = _supplied("data", command.data, "contributor")
    fees = params.fees
    hours = (
        tuple(checks.existing(pre, Gpu, each).price for _, each, _ in compute),
        tuple(seconds for _, _, seconds in compute),
        fees.training_gpu_ratio,
    )
    units = (
        tuple(checks.existing(pre, DataType, each).price for _, each, _ in data),
        tuple(count for _, _, count in data),
        fees.training_data_ratio,
    )
    total = services.training_compute_fee(*hours) + services.training_data_fee(*units)
    fee = MicroUsd(checks.amount("fee", total))
    taxed = (fee, fees.training_platform_tax)
    split = services.training_split(*taxed)
    weights = services.training_weights(*hours, *units)
    suppliers = [account for account, _, _ in (*compute, *data)]
    charge = Charge(command.consumer)
    charge.works("services.training_compute_fee", hours)
    charge.works("services.training_data_fee", units)
    working = charge.works("services.training_split", taxed)
    charge.works("services.training_weights", (*hours, *units))
    charge.pay(TAXES, split.platform_tax, "platform tax", working, 0)
    shares = tuple(zip(suppliers, weights, strict=True))
    charge.share(shares, split.suppliers, "training", working, 1)
    return _charged(pre, charge, fee, command.hold)


def pay_job(pre: PreState, params: Params, command: PayJob) -> Diff:
    """
    Charge a job, and split it by the payment matrix and by measured contribution.

    What runs the network and what buys tokens back is taken first, as by the close of a
    day; the dollars that are left are split.

    Refusals, in order of precedence: `UnknownService`; those of the price; of each
    supplier in turn `Malformed`, and `UnknownKind` for a kind that the row does not
    pay; `UnknownKind` for one that it pays and nobody is of; `Malformed` for the
    consumer; those of the hold; those of the accounts.
    """
    row = checks.row(params, command.pipeline)
    price = MicroUsd(checks.amount("price", command.price))
    by_kind = _by_kind(params.matrix.kinds, row, command.work)
    charge = Charge(command.consumer)
    withheld = MicroUsd(0)
    if params.payments.buyback_base == BuybackBase.NET:
        given = (price, params.payments.operations_fraction)
        withheld = payments.operations_income(*given)
        used = charge.works("payments.operations_income", given)
        charge.pay(OPERATIONS, withheld, "operations", used, 0)
    net = (MicroUsd(price - withheld), params.buyback.buyback_rate)
    capital = payments.buyback_capital(*net)
    used = charge.works("payments.buyback_capital", net)
    charge.pay(WAITING_CAPITAL, capital, "buy-back", used, 0)
    dollars = net[0] - capital
    working = charge.works("allocation.largest_remainder", (dollars, row))
    parts = allocation.largest_remainder(dollars, row)
    for i, kind in enumerate(params.matrix.kinds):
        charge.share(by_kind[kind], parts[i], kind, working, i)
    return _charged(pre, charge, price, command.hold)


def _charged(pre: PreState, charge: Charge, fee: int, hold: str) -> Diff:
    """Charge a fee, out of a hold where there is one."""
    if not hold:
        return charge.diff(pre, fee)
    reserved = pending_hold(pre, hold)
    return charge.diff(pre, fee, released(reserved, charge.credit, fee))


def _pay_serving(
    charge: Charge, params: Params, model: Model, fee: MicroUsd, compute: Shares
) -> None:
    """Split a fee for serving a model; what an agent call pays for it is one too."""
    given = (fee, params.fees.serving_platform_tax, model.fraction)
    if model.fraction + params.fees.serving_platform_tax > WAD:
        raise PartsExceedWhole(
            f"model {model.id} takes {model.fraction / WAD} and the platform's tax is "
            f"{params.fees.serving_platform_tax / WAD}; list the model again for less"
        )
    split = services.serving_split(*given)
    working = charge.works("services.serving_split", given)
    charge.pay(TAXES, split.platform_tax, "platform tax", working, 0)
    if model.owner:
        to = checks.usd_of(model.owner)
        if model.vault:
            to = inflow_of(model.vault, Asset.USD)
        charge.pay(to, split.model, "model", working, 1)
    charge.share(compute, split.compute, "compute", working, 2)


def _shares(what: str, parties: Sequence[tuple[str, int]], role: str) -> Shares:
    """Check who shares a part, and with which weights."""
    if len(parties) > PARTIES_MAX:
        raise Malformed(f"{what} names {len(parties)} members; at most {PARTIES_MAX}")
    shares = []
    weights = 0
    for owner, weight in parties:
        shares.append((checks.member(what, owner, role).usd, weight))
        weights += checks.count(what, weight)
    if shares and not weights:
        raise Malformed(f"{what} has no weight above 0, so that nobody can be paid")
    if not shares and role == "supplier":
        raise Malformed(f"{what} is empty; name the suppliers that did the work")
    return shares


def _supplied(
    what: str, supplied: Sequence[tuple[str, str, int]], role: str
) -> Sequence[tuple[AccountId, str, int]]:
    if len(supplied) > PARTIES_MAX:
        raise Malformed(f"{what} names {len(supplied)} members; at most {PARTIES_MAX}")
    return [
        (checks.member(what, owner, role).usd, each, checks.count(what, quantity))
        for owner, each, quantity in supplied
    ]


def _by_kind(
    kinds: Sequence[str], row: Sequence[Wad], work: Sequence[tuple[str, str, int]]
) -> dict[str, list[tuple[AccountId, int]]]:
    """Sort the suppliers of a job by kind; each kind that is paid must have some."""
    if len(work) > PARTIES_MAX:
        raise Malformed(f"work names {len(work)} members; at most {PARTIES_MAX}")
    by_kind: dict[str, list[tuple[AccountId, int]]] = {kind: [] for kind in kinds}
    paid = {kind for kind, share in zip(kinds, row, strict=True) if share}
    for kind, owner, contribution in work:
        account = checks.member("work", owner, "supplier", "contributor").usd
        checks.count("work", contribution)
        if kind not in paid:
            raise UnknownKind(
                f"the pipeline pays no {str(kind)[:80]!r}; it pays "
                f"{', '.join(sorted(paid))}"
            )
        by_kind[kind].append((account, contribution))
    for kind in paid:
        if not sum(contribution for _, contribution in by_kind[kind]):
            raise UnknownKind(
                f"nobody of kind {kind} contributed, and the pipeline pays that kind"
            )
    return by_kind
