"""
Random commands keep the books: money is conserved, reserved and given back.

Every command goes to the state in memory and to an overlay of the first morning; both
must stay alike, whether it is done or refused. Beside them a few sums are kept, of what
was deposited, granted and charged, that know no accounts but a consumer's own.
"""

import json
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coopera.errors import Refusal
from coopera.ledger import (
    Account,
    AccountId,
    Hold,
    HoldStatus,
    Transfer,
    accounts_of,
    kind_of,
    owner_of,
)
from coopera.params.document import preset
from coopera.protocol.books import OpenBooks, read_settings
from coopera.protocol.commands import COMMANDS, OPERATOR, execute
from coopera.protocol.contribution import Contribute, ListContribution, ShareBudget
from coopera.protocol.holds import ExpireHolds, OpenHold, VoidHold
from coopera.protocol.invariants import check_books
from coopera.protocol.launchpad import (
    LaunchpadAction,
    PayLaunchpad,
    ReturnStake,
    Stake,
)
from coopera.protocol.listing import (
    Agent,
    ListAgent,
    ListData,
    ListGpu,
    ListModel,
    Model,
    Retire,
)
from coopera.protocol.memory import MemoryState
from coopera.protocol.money import (
    CancelWithdrawal,
    CloseAccounts,
    ConfirmWithdrawal,
    Deposit,
    GrantCredit,
    Move,
    OpenAccounts,
    RefundCharge,
    Refunded,
    RequestWithdrawal,
)
from coopera.protocol.overlay import Overlay
from coopera.protocol.records import RECORDS
from coopera.protocol.rehearsal import CloseEpoch, Sale
from coopera.protocol.services import (
    CallAgent,
    CallModel,
    PayJob,
    Train,
)
from coopera.protocol.state import Economy, Epoch
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroUsd

SECTIONS = ("simulation", "sentiment", "consumers", "suppliers", "shocks")
TABLES = json.dumps(
    {k: v for k, v in preset("minimal").tables.items() if k not in SECTIONS},
    default=str,
)
PARAMS = read_settings(TABLES)

CONSUMERS = ("consumer:alice", "consumer:bob", "consumer:small")
SUPPLIERS = ("supplier:one", "supplier:two")
CREATORS = ("creator:ann", "creator:eve")
MEMBERS = (*CONSUMERS, *SUPPLIERS, *CREATORS, "contributor:dan", "holder:hal")
PAID_IN = {
    "consumer:alice:credit": 100_000,
    "consumer:bob:credit": 30_000,
    "consumer:small:credit": 19_000,
    "supplier:one:usd": 3_000,
    "supplier:two:token": 3_000,
    "creator:ann:usd": 3_000,
    "holder:hal:token": 100_000,
}
LIMITS = {"consumer:small": 20_000, "creator:eve": 50_000}

HISTORY = {kind for kind, each in COMMANDS.items() if each.reads_history}


NETWORK = (
    "market:usd",
    "market:token",
    "issuance",
    "burned",
    "points:issued",
    "escrow:credit",
    "escrow:withdrawals:usd",
    "escrow:withdrawals:token",
    "escrow:bonds",
    "settlement:usd",
    "settlement:taxes",
    "settlement:buyback",
    "reserve:usd:operations",
    "reserve:usd:buyback",
    "reserve:token:float",
    "reserve:token:unassigned",
    "locked:agent:writer",
    "locked:phase1:demo",
    "fund:business",
    "validators:token",
    "suppliers:training:usd",
    "consumers:a:credit",
)
"""Accounts that no member may pay from, or be paid to."""

OPERATIONS = "reserve:usd:operations"
WAITING = ("settlement:taxes", "settlement:buyback")


def asset_of(path: str) -> str:
    known = path in NETWORK or path.partition(":")[2].partition(":")[2] == "grant"
    last = kind_of(AccountId(path)).asset.value if known else path.rpartition(":")[2]
    return "usd" if last == "credit" else last


def is_own(path: str) -> bool:
    """Tell whether a member may pay from an account, and be paid to it."""
    kind = kind_of(AccountId(path))
    return kind.owned and not kind.pattern.endswith(":grant")


def first_morning() -> MemoryState:
    nothing = Economy(day=0, suppliers=(), projects=(), pools=())
    state = MemoryState({}, nothing, Epoch(day=-1))
    commands = [
        OpenBooks(TABLES, 50_000),
        *(OpenAccounts(each, LIMITS.get(each, AMOUNT_MAX)) for each in MEMBERS),
        ListModel("own", "creator:ann", 3 * MICRO, 15 * MICRO),
        ListModel("open", "", 3 * MICRO, 15 * MICRO),
        ListModel("spare", "creator:eve", 3 * MICRO, 15 * MICRO),
        ListAgent("writer", "creator:eve", "own", 3 * MICRO, 15 * MICRO, "creator:ann"),
        ListAgent("second", "creator:ann", "open", 3 * MICRO, 15 * MICRO),
        ListAgent("third", "creator:eve", "spare", 3 * MICRO, 15 * MICRO),
        ListGpu("gpu", 2_500000),
        ListData("text", 600),
        ListContribution("label", 1000),
        ListContribution("machine", 10_000, "hour"),
        *(Deposit(path, asset_of(path), held, path) for path, held in PAID_IN.items()),
    ]
    for command in commands:
        state = state.after(execute(state, PARAMS, OPERATOR, command))
    return state


IN_ORDER = first_morning()


def mostly(good, bad) -> st.SearchStrategy:
    """Draw what may be done, and seldom what may not."""
    # The ends of a range are drawn too often.
    return st.integers(0, 11).flatmap(lambda n: bad if n == 7 else good)


amounts = mostly(
    st.one_of(st.integers(1, 100), st.integers(1, 5_000)),
    st.sampled_from([0, -1, 20_000, 50_001, AMOUNT_MAX, AMOUNT_MAX + 1]),
)
counts = mostly(st.integers(1, 300), st.sampled_from([0, -1, 10_000, AMOUNT_MAX]))
names = st.sampled_from(["a", "b", "c", "d", "e"])
members = st.sampled_from([*MEMBERS, "consumer:nobody"])
consumers = st.sampled_from(CONSUMERS)
creators = st.sampled_from(CREATORS)
holds = st.one_of(st.just(""), names)
accounts = mostly(
    st.sampled_from([path for owner in MEMBERS for path in accounts_of(owner)]),
    st.sampled_from(["consumer:nobody:credit", "holder:hal:usd", *NETWORK]),
)
agents = mostly(st.sampled_from(["writer", "second", "third"]), st.just("nothing"))


def among(who, least: int = 1) -> st.SearchStrategy:
    pairs = st.tuples(st.sampled_from(who), counts)
    return st.lists(pairs, min_size=least, max_size=3).map(tuple)


def supplied(who, of: str) -> st.SearchStrategy:
    rows = st.tuples(st.sampled_from(who), st.just(of), counts)
    return st.lists(rows, max_size=2).map(tuple)


EARNED = [f"{owner}:{asset}" for owner in SUPPLIERS for asset in ("usd", "token")]
CREDITS = [f"{owner}:credit" for owner in CONSUMERS]


@st.composite
def moves(draw) -> Move:
    """Draw a move, mostly between accounts of one asset."""
    debit = draw(accounts)
    alike = [path for path in EARNED if path.endswith(asset_of(debit))] + CREDITS
    credit = draw(mostly(st.sampled_from(alike), accounts))
    return Move(debit, credit, asset_of(debit), draw(amounts))


@st.composite
def jobs(draw) -> PayJob:
    pipeline = draw(st.sampled_from(sorted(PARAMS.matrix.rows)))
    kind = st.sampled_from(PARAMS.matrix.kinds)
    paid = ("training",) if pipeline == "training" else PARAMS.matrix.kinds
    rows = [(each, draw(st.sampled_from(SUPPLIERS)), draw(counts)) for each in paid]
    rows += draw(st.lists(st.tuples(kind, st.just("supplier:two"), counts), max_size=1))
    return PayJob(draw(consumers), pipeline, draw(amounts), tuple(rows), draw(holds))


@st.composite
def payments(draw) -> PayLaunchpad:
    """Draw a launchpad payment, mostly from a member to a member."""
    payer = draw(accounts)
    asset = asset_of(payer)
    action = draw(st.sampled_from(LaunchpadAction))
    alike = [f"{each}:{asset}" for each in (*SUPPLIERS, *CREATORS, "contributor:dan")]
    alike += CREDITS if asset == "usd" else []
    network = [path for path in NETWORK if asset_of(path) == asset]
    payee = st.one_of(st.sampled_from(alike), accounts, st.sampled_from(network))
    if action in (LaunchpadAction.CREATE, LaunchpadAction.STAKE):
        payee = mostly(st.just(""), payee)
    return PayLaunchpad(action, draw(agents), payer, asset, draw(amounts), draw(payee))


class Books(RuleBasedStateMachine):
    """Give command after command; the books must stay in order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = IN_ORDER
        self.overlay = Overlay(IN_ORDER)
        self.at(1)
        self.own = Counter({path: PAID_IN[path] for path in CREDITS})
        """What consumers may spend or withdraw, reserved or not, by account."""
        self.granted: Counter[str] = Counter()
        """What is left of their grants, reserved or not."""
        self.reserved: dict[str, int] = {}
        """Granted part of what is pending, by hold."""
        self.spent: Counter[int] = Counter()
        """Granted part of what receipts charged and did not give back."""
        self.given = sum(held for path, held in PAID_IN.items() if path[-5:] != "token")
        """Dollars that members deposited, or were given by the network."""
        self.sent = 0
        """Dollars that were sent outside."""
        self.retired: set[tuple[type, str]] = set()
        self.left = 0

    def at(self, moment: int) -> None:
        self.state = self.state.__class__(
            self.state.held,
            self.state.economy_,
            self.state.epoch_,
            self.state.records_,
            self.state.history,
            moment,
        )
        self.overlay.at(moment)

    def give(self, command, caller=OPERATOR):
        """Do a command, or have it refused without a trace: whether it was done."""
        before = self.state
        try:
            diff = execute(before, PARAMS, caller, command)
            after = before.after(diff)
        except Refusal as refused:
            event(f"{type(command).__name__}: {refused.code}")
            self.refused_there_too(command, caller, refused)
            return False
        event(f"{type(command).__name__}: done")
        if type(command) not in HISTORY:
            assert execute(self.overlay, PARAMS, caller, command) == diff
        self.within_limits(diff.transfers)
        self.overlay.apply(diff)
        self.state = after
        self.alike()
        return True

    def within_limits(self, transfers: Sequence[Transfer]) -> None:
        """Hold what members take, and was not theirs before, to their limits."""
        held: dict[AccountId, int] = {}
        for each in transfers:
            for path, change in (
                (each.debit, -each.amount),
                (each.credit, each.amount),
            ):
                held[path] = held.get(path, self.state.balance(path)) + change
            account = self.state.record(Account, each.credit)
            back = each.debit.startswith("escrow:") or each.debit.endswith(":grant")
            assert not account or back or held[each.credit] <= account.limit

    def free_grant(self, path: str) -> int:
        """Tell how much of its grants a consumer has not reserved."""
        return self.granted[path] - sum(
            granted
            for name, granted in self.reserved.items()
            if self.holder(name) == path
        )

    def holder(self, name: str) -> str:
        hold = self.state.record(Hold, name)
        assert hold
        return hold.account

    def refused_there_too(self, command, caller, refused) -> None:
        if type(command) in HISTORY:
            return
        with pytest.raises(type(refused)) as again:
            self.overlay.apply(execute(self.overlay, PARAMS, caller, command))
        assert str(again.value) == str(refused)
        self.alike()

    def alike(self) -> None:
        """Hold the overlay to the state in memory."""
        held = {path: held for path, held in self.overlay.balances().items() if held}
        assert held == {path: held for path, held in self.state.held.items() if held}
        for kind in RECORDS.values():
            assert self.overlay.records(kind) == self.state.records(kind)

    # Money in and out

    @rule(path=accounts, amount=amounts, reference=st.integers(0, 20))
    def deposit(self, path, amount, reference) -> None:
        command = Deposit(path, asset_of(path), amount, f"ch_{reference}")
        if self.give(command):
            assert is_own(path) or path == OPERATIONS
            self.own[path] += amount if path in CREDITS else 0
            self.given += amount if is_own(path) and asset_of(path) == "usd" else 0

    @rule(
        name=names,
        path=mostly(st.sampled_from([*CREDITS, *EARNED, "holder:hal:token"]), accounts),
        amount=amounts,
    )
    def request_withdrawal(self, name, path, amount) -> None:
        command = RequestWithdrawal(name, path, asset_of(path), amount)
        if self.give(command, path.rpartition(":")[0]):
            assert is_own(path)

    @rule(name=names, reference=st.integers(0, 9).map(str))
    def confirm_withdrawal(self, name, reference) -> None:
        if self.give(ConfirmWithdrawal(name, reference)):
            hold = self.state.record(Hold, f"withdrawal:{name}")
            assert hold
            self.own[hold.account] -= hold.amount if hold.account in CREDITS else 0
            self.sent += hold.amount if hold.escrow == "escrow:withdrawals:usd" else 0

    @rule(name=names)
    def cancel_withdrawal(self, name) -> None:
        self.give(CancelWithdrawal(name))

    @rule(consumer=consumers, amount=amounts)
    def grant(self, consumer, amount) -> None:
        if self.give(GrantCredit(consumer, amount, "grant")):
            self.granted[_credit(consumer)] += amount

    @rule(command=moves())
    def move(self, command) -> None:
        if self.give(command, command.debit.rpartition(":")[0]):
            assert is_own(command.debit)
            assert is_own(command.credit)
            assert command.debit not in CREDITS
            self.own[command.credit] += command.amount * (command.credit in CREDITS)

    @rule(data=st.data(), amount=st.one_of(st.integers(1, 300), amounts))
    def refund(self, data, amount) -> None:
        last = len(self.state.history)
        receipt = data.draw(
            mostly(st.sampled_from([*self.spent] or [last]), st.integers(0, last + 1))
        )
        self.refund_of(receipt, amount)

    def refund_of(self, receipt, amount) -> None:
        if not self.give(RefundCharge(receipt, amount, "refund")):
            return
        consumer = next(
            each.debit for each in self.state.moved(receipt) if each.debit in CREDITS
        )
        to_grant = min(amount, self.spent[receipt])
        self.spent[receipt] -= to_grant
        self.granted[consumer] += to_grant
        self.own[consumer] += amount - to_grant
        self.given -= to_grant
        for each in self.state.history[-1]:
            if each.debit in CREDITS and each.debit != consumer:
                self.own[each.debit] -= each.amount
            if each.debit == OPERATIONS:
                self.given += each.amount

    @rule(
        owner=st.sampled_from(
            ["consumer:bob", "supplier:two", "creator:ann", "consumer:nobody"]
        )
    )
    def close_accounts(self, owner) -> None:
        if self.give(CloseAccounts(owner), owner):
            path = AccountId(f"{owner}:credit")
            # Whatever else it held would have kept it open.
            assert self.state.history[-1] == tuple(
                Transfer(_grant(path), AccountId(OPERATIONS), left, "grant taken back")
                for left in [self.granted[path]]
                if left
            )
            self.granted[path] = 0

    @rule(owner=st.sampled_from(["consumer:bob", "consumer:small", "creator:ann"]))
    def leave(self, owner) -> None:
        """Withdraw everything, and close: all that can still keep it is a hold."""
        for path in filter(is_own, accounts_of(owner)):
            held = self.state.balance(path)
            if held and asset_of(path) != "point":
                self.left += 1
                self.request_withdrawal(f"all-{self.left}", path, held)
                self.confirm_withdrawal(f"all-{self.left}", f"all-{self.left}")
        self.close_accounts(owner)

    # Holds

    @rule(
        name=names,
        consumer=consumers,
        amount=amounts,
        lasts=mostly(st.integers(1, 4), st.just(0)),
    )
    def open_hold(self, name, consumer, amount, lasts) -> None:
        command = OpenHold(name, consumer, amount, self.state.now() + lasts)
        free = self.free_grant(_credit(consumer))
        if self.give(command, consumer):
            self.reserved[name] = min(amount, free)

    @rule(name=names)
    def void_hold(self, name) -> None:
        if self.give(VoidHold(name)):
            del self.reserved[name]

    @rule(ids=st.lists(names, max_size=3))
    def expire_holds(self, ids) -> None:
        if self.give(ExpireHolds(tuple(ids))):
            for name in ids:
                self.reserved.pop(name, None)

    @rule()
    def expire_what_is_due(self) -> None:
        due = [
            hold.id
            for hold in self.state.records(Hold).values()
            if hold.status is HoldStatus.PENDING and hold.expires_at <= self.state.now()
        ]
        if due and self.give(ExpireHolds(tuple(due))):
            for name in due:
                hold = self.state.record(Hold, name)
                assert hold
                assert hold.status is HoldStatus.EXPIRED
                self.reserved.pop(name)

    @rule()
    def time_passes(self) -> None:
        self.at(self.state.now() + 1)

    # Charges

    @rule(
        command=st.one_of(
            st.builds(
                CallAgent,
                consumers,
                agents,
                counts,
                counts,
                among(SUPPLIERS),
                among(CREATORS, 0),
                holds,
            ),
            st.builds(
                CallModel,
                consumers,
                st.sampled_from(["own", "open", "spare"]),
                counts,
                counts,
                among(SUPPLIERS),
                holds,
            ),
            st.builds(
                Train,
                consumers,
                supplied(SUPPLIERS, "gpu"),
                supplied(("contributor:dan",), "text"),
                holds,
            ),
            jobs(),
        )
    )
    def charge(self, command) -> None:
        path = _credit(command.consumer)
        if not self.give(command):
            return
        moved = self.state.history[-1]
        back = [each for each in moved if each.debit == "escrow:credit"]
        used = [each for each in moved if each.debit == _grant(path)]
        charged = [each for each in moved if each.debit == path]
        assert (*back, *used, *charged) == moved
        assert bool(back) == bool(command.hold)
        assert {each.credit for each in back} <= {path, _grant(path)}
        assert {each.credit for each in used} <= {path}
        assert not {each.credit for each in charged} & {path, _grant(path)}

        fee = sum(each.amount for each in charged)
        self.reserved.pop(command.hold, None)
        grant = min(fee, self.free_grant(path))
        assert sum(each.amount for each in used) == grant
        self.granted[path] -= grant
        self.own[path] -= fee - grant
        self.spent[len(self.state.history)] = grant
        self.given += grant

    @rule(
        consumer=consumers,
        granted=st.integers(1, 1000),
        reserved=st.integers(1, 2000),
        used=st.integers(1, 80),
        refunded=st.integers(1, 1500),
    )
    def call_that_goes_wrong(self, consumer, granted, reserved, used, refunded) -> None:
        """Have a call reserved, charged and refunded, grants first."""
        self.left += 1
        name = f"call-{self.left}"
        self.grant(consumer, granted)
        self.open_hold(name, consumer, reserved, 1)
        served = (("supplier:one", 1),)
        before = len(self.state.history)
        self.charge(CallModel(consumer, "open", used, used, served, name))
        if len(self.state.history) > before:
            self.refund_of(before + 1, refunded)

    @rule(command=payments(), by_operator=st.booleans())
    def pay_launchpad(self, command, by_operator) -> None:
        caller = OPERATOR if by_operator else command.payer.rpartition(":")[0]
        if not self.give(command, caller):
            return
        tax, *rest = self.state.history[-1]
        assert tax.amount == -(-command.amount // 100)
        assert tax.amount + sum(each.amount for each in rest) == command.amount
        assert is_own(command.payer)
        if command.payer in CREDITS:
            self.own[command.payer] -= command.amount
            self.spent[len(self.state.history)] = 0
        if command.payee:
            assert is_own(command.payee)
            got = command.amount - tax.amount
            self.own[command.payee] += got * (command.payee in CREDITS)

    @rule(
        agent=agents,
        payer=st.sampled_from(["holder:hal:token", "supplier:two:token"]),
        amount=amounts,
    )
    def stake(self, agent, payer, amount) -> None:
        before = self.state.record(Stake, f"{agent}:{payer}")
        command = PayLaunchpad("stake", agent, payer, "token", amount)
        if self.give(command, payer.rpartition(":")[0]):
            after = self.state.record(Stake, f"{agent}:{payer}")
            assert after
            added = after.amount - (before.amount if before else 0)
            assert added == amount - -(-amount // 100)

    @rule(data=st.data(), agent=agents, path=accounts)
    def return_stake(self, data, agent, path) -> None:
        staked = [
            (each.id.partition(":")[0], str(each.account))
            for each in self.state.records(Stake).values()
        ]
        other = st.just((agent, path))
        agent, path = data.draw(
            mostly(st.sampled_from(staked) if staked else other, other)
        )
        was = self.state.record(Stake, f"{agent}:{path}")
        if self.give(ReturnStake(agent, path), path.rpartition(":")[0]):
            assert was
            locked = AccountId(f"locked:agent:{agent}")
            back = Transfer(locked, AccountId(path), was.amount, "stake returned")
            assert self.state.history[-1] == (back,)
            assert (Agent, agent) in self.retired

    # Prices, points, days

    @rule(
        name=st.sampled_from(["own", "spare"]),
        owner=creators,
        fraction=st.one_of(st.none(), st.integers(-1, WAD)),
    )
    def list_model(self, name, owner, fraction) -> None:
        self.give(ListModel(name, owner, 3 * MICRO, 15 * MICRO, fraction))

    @rule(fraction=mostly(st.sampled_from([0, None]), st.sampled_from([1, -1, WAD])))
    def list_open_model(self, fraction) -> None:
        if self.give(ListModel("open", "", 3 * MICRO, 15 * MICRO, fraction)):
            assert not fraction

    @rule(
        name=agents,
        creator=creators,
        model=st.sampled_from(["own", "open", "spare"]),
        developer=st.sampled_from(["", *CREATORS]),
    )
    def list_agent(self, name, creator, model, developer) -> None:
        was = self.state.record(Agent, name)
        command = ListAgent(name, creator, model, 3 * MICRO, 5 * MICRO, developer)
        if self.give(command, creator) and was:
            assert was.creator == creator
            assert was.developer in ("", developer)

    @rule(
        what=mostly(
            st.sampled_from(
                [("agent", "second"), ("agent", "third"), ("model", "spare")]
            ),
            st.sampled_from([("agent", "writer"), ("model", "own"), ("model", "open")]),
        ),
        owner=st.sampled_from([*CREATORS, ""]),
        sometimes=st.integers(0, 2),
    )
    def retire(self, what, owner, sometimes) -> None:
        kind, name = what
        if not sometimes and self.give(Retire(kind, name, owner), owner or OPERATOR):
            self.retired.add(({"agent": Agent, "model": Model}[kind], name))

    @rule(agent=st.sampled_from(["second", "third"]))
    def give_up(self, agent) -> None:
        """Take an agent off the list, and give all its stakes back."""
        found = self.state.record(Agent, agent)
        assert found
        if self.give(Retire("agent", agent, found.creator), found.creator):
            self.retired.add((Agent, agent))
        for stake in self.state.records(Stake).values():
            account = self.state.record(Account, stake.account)
            assert account
            room = account.limit - self.state.balance(stake.account)
            if stake.id.startswith(f"{agent}:") and 0 < stake.amount <= room:
                given_back = self.give(ReturnStake(agent, stake.account))
                assert given_back != account.closed

    @rule(
        member=mostly(st.sampled_from(["contributor:dan", *SUPPLIERS]), members),
        given=among(("label", "machine"), 0),
    )
    def contribute(self, member, given) -> None:
        self.give(Contribute(member, given))

    @rule(asset=st.sampled_from(["usd", "usd", "token", "point"]), amount=amounts)
    def share_budget(self, asset, amount) -> None:
        if self.give(ShareBudget(asset, amount)):
            self.given += amount if asset == "usd" else 0
            assert self.state.balance(AccountId("points:issued")) == 0

    @rule(jobs_=st.integers(0, 20), failed=st.integers(0, 3))
    def close_the_day(self, jobs_, failed) -> None:
        sale = Sale("a", "serving", "demo", MicroUsd(777), jobs_, failed)
        day = self.state.economy().day
        before = [self.state.balance(AccountId(path)) for path in WAITING]
        if self.give(CloseEpoch(day, (sale,), MicroUsd(MICRO), (1, 0), (0, 0))):
            waits = jobs_ == failed
            after = [self.state.balance(AccountId(path)) for path in WAITING]
            assert after == (before if waits else [0, 0])
            # Besides what the sales of the day bring.
            capital = (before[0] // 2 + before[1]) * (not waits)
            assert self.state.epoch().capital >= capital

    @rule(command=st.sampled_from([Deposit, GrantCredit, ShareBudget]), who=members)
    def nobody_gives_what_the_operator_gives(self, command, who) -> None:
        commands = {
            Deposit: Deposit("consumer:alice:credit", "usd", 1, "mine"),
            GrantCredit: GrantCredit("consumer:alice", 1, "mine"),
            ShareBudget: ShareBudget("usd", 1),
        }
        assert not self.give(commands[command], who)

    # What must hold

    @invariant()
    def money_is_conserved(self) -> None:
        check_books(self.state, PARAMS)

    @invariant()
    def members_hold_what_they_opened(self) -> None:
        for path, held in self.state.held.items():
            if kind_of(path).owned:
                account = self.state.record(Account, path)
                assert account
                assert held >= 0
                assert not (account.closed and held)

    @invariant()
    def escrow_holds_what_is_pending(self) -> None:
        pending: Counter[str] = Counter()
        for hold in self.state.records(Hold).values():
            if hold.status is HoldStatus.PENDING:
                pending[hold.escrow] += hold.amount
        for path in (
            "escrow:credit",
            "escrow:withdrawals:usd",
            "escrow:withdrawals:token",
        ):
            assert self.state.balance(AccountId(path)) == pending[path]

    @invariant()
    def no_grant_becomes_a_consumer_s_own(self) -> None:
        pending = [
            hold
            for hold in self.state.records(Hold).values()
            if hold.status is HoldStatus.PENDING
        ]
        for path in map(_credit, CONSUMERS):
            mine = [hold for hold in pending if hold.account == path]
            granted = sum(hold.granted for hold in mine)
            reserved = sum(hold.amount for hold in mine)
            assert self.state.balance(_grant(path)) + granted == self.granted[path]
            assert self.state.balance(path) + reserved - granted == self.own[path]
        holds_ = {h.id: h.granted for h in pending if h.escrow == "escrow:credit"}
        assert holds_ == self.reserved

    @invariant()
    def no_more_dollars_can_go_out_than_came_in_or_were_earned(self) -> None:
        # Grants only as far as they were spent; what members paid the network is
        # theirs no more, so that there may be less.
        held = sum(
            held
            for path, held in self.state.held.items()
            if kind_of(path).owned and is_own(path) and asset_of(path) == "usd"
        )
        pending = sum(
            hold.amount - hold.granted
            for hold in self.state.records(Hold).values()
            if hold.status is HoldStatus.PENDING
            and hold.escrow != "escrow:withdrawals:token"
        )
        assert held + pending + self.sent <= self.given

    @invariant()
    def nobody_gives_back_more_than_it_was_paid(self) -> None:
        for done in self.state.records(Refunded).values():
            moved = self.state.moved(int(done.id))
            charged = [each for each in moved if each.debit in CREDITS]
            both = zip(done.parts, charged, strict=True)
            assert all(0 <= part <= each.amount for part, each in both)
            used = sum(each.amount for each in moved if each.debit.endswith(":grant"))
            assert sum(done.parts) > 0
            assert done.granted == min(sum(done.parts), used)

    @invariant()
    def stakes_are_locked(self) -> None:
        staked: Counter[str] = Counter()
        for stake in self.state.records(Stake).values():
            assert is_own(stake.account)
            staked[f"locked:agent:{stake.id.partition(':')[0]}"] += stake.amount
        locked = {
            path: held
            for path, held in self.state.held.items()
            if path.startswith("locked:agent:") and held
        }
        assert locked == {path: amount for path, amount in staked.items() if amount}

    @invariant()
    def what_is_on_the_list_pays_members_that_are_open(self) -> None:
        listed: list[Agent | Model] = [*self.state.records(Agent).values()]
        listed += self.state.records(Model).values()
        for each in listed:
            assert each.retired == ((type(each), each.id) in self.retired)
            for owner in filter(None, each.pays):
                account = self.state.record(Account, f"{owner}:usd")
                assert account
                assert each.retired or not account.closed

    @invariant()
    def income_of_the_day_is_paid_out(self) -> None:
        assert self.state.balance(AccountId("settlement:usd")) == 0


def _credit(consumer: str) -> AccountId:
    return AccountId(f"{consumer}:credit")


def _grant(credit: AccountId) -> AccountId:
    return AccountId(f"{owner_of(credit)}:grant")


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
