"""The price list: agents, models, types of compute and of data, and who owns them."""

from dataclasses import dataclass, replace
from typing import TypeVar

from coopera.errors import Malformed, NotAllowed, PartsExceedWhole, UnknownRecord
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.state import Diff, PreState
from coopera.protocol.vaults import Vault
from coopera.units import WAD, MicroUsd, Wad


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be called, with its prices."""

    id: str
    owner: str
    """Creator that shares in what it earns; empty for an open model."""
    input_price: MicroUsd
    """Dollars for a million prompt tokens read."""
    output_price: MicroUsd
    """Dollars for a million prompt tokens written."""
    fraction: Wad
    """The owner's part of a fee for serving it; zero for an open model."""
    retired: bool = False
    vault: str = ""
    """Vault that has the owner's part, where those who trained it share it."""

    @property
    def pays(self) -> tuple[str, ...]:
        """Members that its calls pay, whoever serves them."""
        return () if self.vault else (self.owner,)


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that can be called, with its prices, and whom they pay."""

    id: str
    creator: str
    developer: str
    """Creator of the template that it is made from; empty where there is none."""
    model: str
    input_price: MicroUsd
    output_price: MicroUsd
    retired: bool = False

    @property
    def pays(self) -> tuple[str, ...]:
        """Members that its calls pay, whoever serves them."""
        return (self.creator, self.developer)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A type of compute, with its price an hour."""

    id: str
    price: MicroUsd


@dataclass(frozen=True, slots=True)
class DataType:
    """A type of data, with its price a unit."""

    id: str
    price: MicroUsd


@dataclass(frozen=True, slots=True)
class ListModel:
    """Command by which a model is put on the price list, or its prices are changed."""

    id: str
    owner: str
    input_price: int
    output_price: int
    fraction: int | None = None
    """Fixed point; by default what governance has set for owned models."""
    vault: str = ""
    """Of a training of the owner's: what it earns is shared by who has units of it."""


@dataclass(frozen=True, slots=True)
class ListAgent:
    """Command by which an agent is put on the price list, or its prices are changed."""

    id: str
    creator: str
    model: str
    input_price: int
    output_price: int
    developer: str = ""


@dataclass(frozen=True, slots=True)
class ListGpu:
    """Command by which a type of compute is priced, in dollars an hour."""

    id: str
    price: int


@dataclass(frozen=True, slots=True)
class ListData:
    """Command by which a type of data is priced, in dollars a unit."""

    id: str
    price: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Command by which an agent or a model is taken off the price list."""

    kind: str
    """`agent` or `model`."""
    id: str
    owner: str
    """Creator that owns it; empty for an open model."""


def list_model(pre: PreState, params: Params, command: ListModel) -> Diff:
    """
    Put a model on the price list; an owned model may be changed by its owner alone.

    What a vault has of a model stays: its part never falls, and nobody takes it back.

    Refusals, in order of precedence: `Malformed` for the names, those of the prices,
    `NotAllowed`, `Malformed` for the fraction, `PartsExceedWhole`, `UnknownRecord` and
    `NotAllowed` for the vault, those of the owner's account.
    """
    name = checks.new_name("id", command.id)
    owner = command.owner
    if owner:
        checks.member("owner", owner, "creator")
    prices = _prices(command.input_price, command.output_price)
    was = pre.record(Model, name)
    if was is not None:
        _refuse_other_owner("model", name, was.owner, owner)
        _refuse_retired("model", name, retired=was.retired)
    fraction = command.fraction
    if fraction is None:
        fraction = params.fees.serving_model_fraction if owner else Wad(0)
    if type(fraction) is not int or not 0 <= fraction <= (WAD if owner else 0):
        raise Malformed(
            f"fraction is {fraction!r}; it must be from 0 to {WAD}, and 0 for an open "
            "model"
        )
    if fraction + params.fees.serving_platform_tax > WAD:
        raise PartsExceedWhole(
            f"fraction is {fraction / WAD} and the platform's tax is "
            f"{params.fees.serving_platform_tax / WAD}; they must sum to 1 at most"
        )
    vault = command.vault
    if vault:
        _refuse_other_owner(
            "vault", vault, checks.existing(pre, Vault, vault).creator, owner
        )
    _refuse_less(params, was, vault, fraction)
    if owner:
        _open(pre, owner)
    model = Model(name, owner, *prices, Wad(fraction), vault=vault)
    return Diff(records=(model,))


def list_agent(pre: PreState, _params: Params, command: ListAgent) -> Diff:
    """
    Put an agent on the price list; it may be changed by its creator alone.

    Refusals, in order of precedence: `Malformed`, those of the prices, `NotAllowed`,
    `UnknownRecord` for the model, those of the accounts.
    """
    name = checks.new_name("id", command.id)
    creator = checks.member("creator", command.creator, "creator").id
    developer = command.developer
    if developer:
        checks.member("developer", developer, "creator")
    prices = _prices(command.input_price, command.output_price)
    was = pre.record(Agent, name)
    if was is not None:
        _refuse_other_owner("agent", name, was.creator, creator)
        _refuse_retired("agent", name, retired=was.retired)
        if was.developer and was.developer != developer:
            raise NotAllowed(
                f"agent {name} is made from a template of {was.developer}, whose part "
                "of its calls stays"
            )
    listed(pre, Model, command.model)
    for each in filter(None, (creator, developer)):
        _open(pre, each)
    return Diff(records=(Agent(name, creator, developer, command.model, *prices),))


def list_gpu(_pre: PreState, _params: Params, command: ListGpu) -> Diff:
    """Price a type of compute. Refuses `Malformed` and those of the price."""
    name = checks.new_name("id", command.id)
    return Diff(records=(Gpu(name, MicroUsd(checks.count("price", command.price))),))


def list_data(_pre: PreState, _params: Params, command: ListData) -> Diff:
    """Price a type of data. Refuses `Malformed` and those of the price."""
    name = checks.new_name("id", command.id)
    price = MicroUsd(checks.count("price", command.price))
    return Diff(records=(DataType(name, price),))


def retire(pre: PreState, _params: Params, command: Retire) -> Diff:
    """
    Take an agent or a model off the price list, for good.

    Refusals, in order of precedence: `Malformed`, `UnknownRecord`, `NotAllowed` for who
    does not own it.
    """
    if command.kind not in ("agent", "model"):
        raise Malformed(
            f"kind is {str(command.kind)[:80]!r}; it must be agent or model"
        )
    if command.kind == "agent":
        agent = listed(pre, Agent, command.id)
        _refuse_other_owner("agent", agent.id, agent.creator, command.owner)
        return Diff(records=(replace(agent, retired=True),))
    model = listed(pre, Model, command.id)
    _refuse_other_owner("model", model.id, model.owner, command.owner)
    return Diff(records=(replace(model, retired=True),))


L = TypeVar("L", Agent, Model)


def listed(pre: PreState, kind: type[L], name: str) -> L:
    """Find an agent or model on the price list. Refuses with `UnknownRecord`."""
    found = checks.existing(pre, kind, name)
    if found.retired:
        raise UnknownRecord(f"{kind.__name__.lower()} {name} is retired; name another")
    return found


def _refuse_other_owner(what: str, name: str, owner: str, named: str) -> None:
    if owner != named:
        raise NotAllowed(
            f"{what} {name} belongs to {owner or 'nobody'}, and not to "
            f"{str(named)[:80] or 'nobody'}"
        )


def _refuse_less(params: Params, was: Model | None, vault: str, fraction: int) -> None:
    """Refuse to take from a vault what it has of a model, as far as that still fits."""
    if was is None or not was.vault:
        return
    least = min(was.fraction, WAD - params.fees.serving_platform_tax)
    if was.vault != vault or fraction < least:
        raise NotAllowed(
            f"model {was.id} pays {least / WAD} of its fees to vault {was.vault}; "
            "those who trained it keep that"
        )


def _refuse_retired(what: str, name: str, *, retired: bool) -> None:
    if retired:
        raise NotAllowed(f"{what} {name} is retired; choose another name")


def _prices(input_price: object, output_price: object) -> tuple[MicroUsd, MicroUsd]:
    return (
        MicroUsd(checks.count("input_price", input_price)),
        MicroUsd(checks.count("output_price", output_price)),
    )


def _open(pre: PreState, owner: str) -> None:
    """Refuse a member whose account was never opened, or is closed."""
    checks.opened(pre, checks.usd_of(owner))
