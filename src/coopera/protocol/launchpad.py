"""The launchpad: what is paid to create, to stake, to buy and to sell is taxed."""

from dataclasses import dataclass, replace
from enum import StrEnum

from coopera.errors import Malformed, NotAllowed, UnknownRecord
from coopera.formulas import services
from coopera.ledger import AccountId, Asset, Transfer, Working, account, kind_of
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.accounts import FLOAT, TAXES
from coopera.protocol.listing import Agent, listed
from coopera.protocol.state import Diff, PreState


class LaunchpadAction(StrEnum):
    """What is done on the launchpad; all are taxed alike."""

    CREATE = "create"
    STAKE = "stake"
    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class PayLaunchpad:
    """Command by which a launchpad transaction is paid and taxed."""

    action: str
    agent: str
    payer: str
    """Account."""
    asset: str
    amount: int
    payee: str = ""
    """Account; none to create or to stake, which lock the amount for the agent."""


@dataclass(frozen=True, slots=True)
class ReturnStake:
    """Command by which an account gets back what it locked for a retired agent."""

    agent: str
    account: str


@dataclass(frozen=True, slots=True)
class Stake:
    """What an account has locked for an agent."""

    id: str
    account: AccountId
    amount: int
    """Micro-tokens."""


def pay_launchpad(pre: PreState, params: Params, command: PayLaunchpad) -> Diff:
    """
    Pay a launchpad transaction, and tax it.

    Refusals, in order of precedence: `Malformed` for the action, `UnknownRecord` for
    the agent; of the payer `UnknownAsset`, `UnknownAccount`, `CurrencyMismatch` and
    `NotAllowed`; `Malformed` for an asset or payee that does not go with the action; of
    the payee the same as of the payer; those of the amount; those of the accounts.
    """
    if command.action not in list(LaunchpadAction):
        raise Malformed(
            f"action is {str(command.action)[:80]!r}; it must be one of "
            f"{', '.join(LaunchpadAction)}"
        )
    agent = listed(pre, Agent, command.agent)
    payer = checks.own_account(command.payer, command.asset)
    locks = command.action in (LaunchpadAction.CREATE, LaunchpadAction.STAKE)
    asset = kind_of(payer).asset
    if asset is Asset.POINT or (locks and asset is not Asset.TOKEN):
        raise Malformed(
            f"asset is {asset.value}; to {command.action} takes "
            f"{'tokens' if locks else 'dollars or tokens'}"
        )
    if locks and command.payee:
        raise Malformed(
            f"payee is {str(command.payee)[:80]!r}; to {command.action} locks the "
            "stake, and nobody is paid"
        )
    if locks:
        payee = account("locked", "agent", agent.id)
    else:
        payee = checks.own_account(command.payee, command.asset)
    if payee == payer:
        raise Malformed(f"{payer} pays itself; name another payee")
    value = checks.amount("amount", command.amount)
    given = (value, params.fees.launchpad_tax)
    split = services.launchpad_split(*given)
    taxes = TAXES if asset is Asset.USD else FLOAT
    parts = (
        (taxes, split.launchpad_tax, "launchpad tax"),
        (payee, split.rest, str(command.action)),
    )
    staked: tuple[Stake, ...] = ()
    if locks:
        name = f"{agent.id}:{payer}"
        was = pre.record(Stake, name)
        staked = (Stake(name, payer, (was.amount if was else 0) + split.rest),)
    return Diff(
        tuple(
            Transfer(payer, to, part, reason, 0, i)
            for i, (to, part, reason) in enumerate(parts)
            if part
        ),
        records=staked,
        workings=(Working("services.launchpad_split", given),),
    )


def return_stake(pre: PreState, _params: Params, command: ReturnStake) -> Diff:
    """
    Give a stake back, once its agent is retired.

    Refusals, in order of precedence: `UnknownRecord`, `NotAllowed`, those of the
    account.
    """
    agent = checks.existing(pre, Agent, command.agent)
    stake = checks.existing(pre, Stake, f"{agent.id}:{command.account}")
    if not agent.retired:
        raise NotAllowed(
            f"agent {agent.id} is not retired; its stake is locked until then"
        )
    if not stake.amount:
        raise UnknownRecord(f"the stake of {stake.account} was given back already")
    locked = account("locked", "agent", agent.id)
    back = Transfer(locked, stake.account, stake.amount, "stake returned")
    return Diff((back,), records=(replace(stake, amount=0),))
