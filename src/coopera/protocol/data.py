"""
Data that trainings use: what contributors register, stake on, and offer to a round.

Rows are known by their digests, and counted once: the first one who declares a row has
it. What a data set looks like is hidden behind a commitment until it is offered; what
it is worth is found out when the round is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from coopera.errors import (
    DigestSeen,
    Malformed,
    NotAllowed,
    NotAsCommitted,
    NotEligible,
    WrongStage,
)
from coopera.formulas.contribution import is_valid, rows_covered
from coopera.formulas.royalty import PART
from coopera.ledger import account
from coopera.params import Params
from coopera.params.chapters import DataShare
from coopera.protocol import checks
from coopera.protocol.accounts import FLOAT
from coopera.protocol.claims import hash_bytes, written
from coopera.protocol.draft import Draft
from coopera.protocol.state import Diff, PreState
from coopera.protocol.training import (
    ROWS_MAX,
    Round,
    RoundStage,
    Training,
    histogram,
    round_at,
)
from coopera.units import WAD, MicroToken

OFFERS_MEASURED_MAX: Final = 800
"""Most data sets of a round in which each is measured."""
ROWS_AT_ONCE: Final = 1000
"""Most rows that one command declares."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Rows that a contributor gives to a training."""

    id: str
    training: str
    contributor: str
    digest: str
    """SHA-256 of the upload."""
    upload: str
    """Hash of the transaction of the upload."""
    proof: str
    """SHA-256 of the proof that it was encrypted, or prepared, as the schema says."""
    rows: int = 0
    """Rows that nobody declared before."""
    copies: int = 0
    """Rows that somebody had; they do not count."""
    histogram: str = ""
    """Commitment to how many rows are in each cell."""
    checked: int = 0
    """Rows that were looked at."""
    valid: int = 0
    invalid: bool = False
    """Whether too few were, for good: its rows are anybody's again."""
    round: int = 0
    """The one that it was offered to."""
    staked: bool = False
    """Whether a stake answers for it until it is looked at."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Upload that is registered."""

    id: str
    """Training, and digest of the upload."""
    data: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is somebody's."""

    id: str
    """Training, and digest of the row."""
    data: str


@dataclass(frozen=True, slots=True)
class DataStake:
    """What a contributor has at stake for the data that it gives to a training."""

    id: str
    """Training and contributor."""
    amount: MicroToken
    round: int = 0
    """The last one that it offered data to."""
    rows: int = 0
    """Rows offered to that round."""
    waiting: int = 0
    """Rows committed to that are not looked at yet."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Data of a round."""

    id: str
    """Round, and number from 1."""
    data: str
    contributor: str
    counts: tuple[int, ...]
    value: int = 0
    """What was measured of it, where that is how data is paid."""


@dataclass(frozen=True, slots=True)
class Part:
    """Offers that are weighed, and paid, together."""

    id: str
    """Round, and number from 0."""
    counts: tuple[int, ...]
    """Rows of each cell."""
    weights: tuple[int, ...] = ()
    """Of its offers, as the rules were when they were weighed."""
    units: int = 0
    """Royalty units of its offers."""


@dataclass(frozen=True, slots=True)
class RegisterData:
    """Command by which an upload is registered."""

    id: str
    training: str
    contributor: str
    digest: str
    schema: str
    upload: str
    proof: str


@dataclass(frozen=True, slots=True)
class DeclareRows:
    """Command by which rows of a data set are declared, by their digests."""

    data: str
    contributor: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommitHistogram:
    """Command by which a contributor commits to how its rows lie in the cells."""

    data: str
    contributor: str
    histogram: str


@dataclass(frozen=True, slots=True)
class AuditData:
    """Command by which it is noted how many of the rows looked at are valid."""

    data: str
    checked: int
    valid: int


@dataclass(frozen=True, slots=True)
class StakeData:
    """Command by which a contributor stakes tokens on its data, or more of them."""

    training: str
    contributor: str
    amount: int


@dataclass(frozen=True, slots=True)
class ReturnDataStake:
    """Command by which a contributor gets its stake back."""

    training: str
    contributor: str


@dataclass(frozen=True, slots=True)
class OfferData:
    """Command by which a data set is offered to the round that is under way."""

    data: str
    contributor: str
    number: int
    counts: tuple[int, ...]
    """Rows in each cell."""
    salt: str


def histogram_digest(data: str, salt: str, counts: Sequence[int]) -> str:
    """
    Hide how rows lie in the cells, until they are offered.

    >>> histogram_digest("ann-1", "00" * 32, (5, 3))[:16]
    '5d5be552196c9e00'
    """
    written = ",".join(map(str, counts))
    return sha256(f"histogram:{data}:{written}:{salt}".encode()).hexdigest()


def register_data(pre: PreState, _params: Params, command: RegisterData) -> Diff:
    """
    Register an upload.

    Refusals, in order of precedence: `Malformed`, `UnknownRecord` for the training,
    `WrongStage` once it is finished, `NotEligible` for another schema, those of the
    account, `AlreadyExists`, `DigestSeen`.
    """
    name = checks.new_name("id", command.id)
    contributor = checks.member("contributor", command.contributor, "contributor")
    digest, schema, proof = (
        checks.digest(what, getattr(command, what))
        for what in ("digest", "schema", "proof")
    )
    upload = written(hash_bytes("upload", command.upload))
    training = _open(pre, command.training)
    if schema != training.schema:
        raise NotEligible(
            f"schema is {schema[:16]}...; data of {training.id} must have "
            f"{training.schema[:16]}..."
        )
    checks.opened(pre, contributor.usd)
    checks.not_yet(pre, DataSet, name)
    upload_name = f"{training.id}:{digest}"
    seen = pre.record(Digest, upload_name)
    if seen is not None:
        raise DigestSeen(
            f"data with the digest {digest[:16]}... is registered as {seen.data}; the "
            "same data counts once"
        )
    data = DataSet(name, training.id, contributor.id, digest, upload, proof)
    counted = replace(training, data=training.data + 1)
    return Diff(records=(data, Digest(upload_name, name), counted))


def declare_rows(pre: PreState, _params: Params, command: DeclareRows) -> Diff:
    """
    Declare rows; those that somebody declared before do not count.

    Unless that was in data that was looked at and found invalid: nobody keeps rows from
    those who have them by claiming theirs.

    Refusals, in order of precedence: those of `_data_of`, `WrongStage` once the data is
    committed to, `Malformed`.
    """
    data = _data_of(pre, command.data, command.contributor)
    if data.histogram:
        raise WrongStage(
            f"data {data.id} is committed to; register what comes later apart"
        )
    rows = command.rows
    if not 0 < len(rows) <= ROWS_AT_ONCE:
        raise Malformed(
            f"{len(rows)} rows are declared; one command takes 1 to {ROWS_AT_ONCE}"
        )
    fresh: dict[str, Row] = {}
    for row in rows:
        name = f"{data.training}:{checks.digest('rows', row)}"
        if name not in fresh and not _is_somebodys(pre, name):
            fresh[name] = Row(name, data.id)
    copies = len(rows) - len(fresh)
    if data.rows + len(fresh) > ROWS_MAX:
        raise Malformed(f"data {data.id} would have more than {ROWS_MAX} rows")
    counted = replace(data, rows=data.rows + len(fresh), copies=data.copies + copies)
    return Diff(records=(counted, *fresh.values()))


def commit_histogram(pre: PreState, params: Params, command: CommitHistogram) -> Diff:
    """
    Commit to how rows lie in the cells; no more rows are declared then.

    From here on a stake answers for the rows, until some of them are looked at.

    Refusals, in order of precedence: those of `_data_of`, `Malformed`, `WrongStage`,
    `NotEligible` for more rows than the stake answers for.
    """
    data = _data_of(pre, command.data, command.contributor)
    committed = checks.digest("histogram", command.histogram)
    if data.histogram:
        raise WrongStage(f"data {data.id} is committed to already")
    if not data.rows:
        raise WrongStage(f"data {data.id} has no rows that count; declare some first")
    found = pre.record(DataStake, _stake_name(data.training, data.contributor))
    before = found.waiting if found else 0
    stake = _staked(pre, params, data, before, "commit to")
    if stake is None:
        return Diff(records=(replace(data, histogram=committed),))
    waits = replace(stake, waiting=stake.waiting + data.rows)
    return Diff(records=(replace(data, histogram=committed, staked=True), waits))


def audit_data(pre: PreState, params: Params, command: AuditData) -> Diff:
    """
    Note how many of the rows looked at are valid; too few cost the stake.

    Refusals, in order of precedence: those of the numbers, `UnknownRecord`,
    `WrongStage` for data that is not committed to, was offered, or was found invalid:
    its rows may be somebody else's by now; `Malformed`.
    """
    checked = checks.amount("checked", command.checked)
    valid = checks.count("valid", command.valid)
    data = checks.existing(pre, DataSet, command.data)
    taken = is_taken(pre, data)
    if not data.histogram or taken:
        stands = "offered" if taken else "not committed to"
        raise WrongStage(f"data {data.id} is {stands}; it is looked at in between")
    if data.invalid:
        raise WrongStage(
            f"data {data.id} was found invalid; its rows have to be registered again"
        )
    least = min(params.royalty.audited_rows, data.rows)
    if valid > checked:
        raise Malformed(
            f"{valid} of {checked} rows are said to be valid; no more can be than were "
            "looked at"
        )
    if not least <= checked <= data.rows:
        needed = f"{least} at least must be"
        if least == data.rows:
            needed = "all of them must be, and each once"
        raise Malformed(
            f"{checked} rows of data {data.id} are said to be looked at; it has "
            f"{data.rows} that count, and {needed}"
        )
    draft = Draft(pre)
    given = (valid, checked, params.royalty.min_validity)
    passed = is_valid(*given)
    looked_at = replace(data, checked=checked, valid=valid, invalid=not passed)
    draft.put(replace(looked_at, staked=False))
    stake = pre.record(DataStake, _stake_name(data.training, data.contributor))
    if stake is not None and data.staked:
        stake = replace(stake, waiting=stake.waiting - data.rows)
        draft.put(stake)
    if stake is not None and stake.amount and not passed:
        # It says that the stake is lost, and not how much that is.
        draft.works("contribution.is_valid", given)
        locked = account("locked", "data", data.training)
        draft.move(locked, FLOAT, stake.amount, "stake of data lost")
        draft.put(replace(stake, amount=MicroToken(0)))
    return draft.diff()


def stake_data(pre: PreState, _params: Params, command: StakeData) -> Diff:
    """
    Stake tokens on the data that is given to a training.

    Refusals, in order of precedence: `Malformed`, those of the amount, `UnknownRecord`,
    `WrongStage` once the training is finished, those of the account.
    """
    contributor = checks.member("contributor", command.contributor, "contributor")
    amount = checks.amount("amount", command.amount)
    training = _open(pre, command.training)
    name = _stake_name(training.id, contributor.id)
    stake = pre.record(DataStake, name)
    draft = Draft(pre)
    locked = account("locked", "data", training.id)
    draft.move(contributor.token, locked, amount, "stake of data")
    if stake is None:
        draft.put(DataStake(name, MicroToken(amount)))
    else:
        draft.put(replace(stake, amount=MicroToken(stake.amount + amount)))
    return draft.diff()


def return_data_stake(pre: PreState, _params: Params, command: ReturnDataStake) -> Diff:
    """
    Give a stake back, unless it answers for rows: not looked at, or in an open round.

    Refusals, in order of precedence: `Malformed`, `UnknownRecord`, `WrongStage`, those
    of the account.
    """
    contributor = checks.member("contributor", command.contributor, "contributor")
    name = _stake_name(command.training, contributor.id)
    stake = checks.existing(pre, DataStake, name)
    if not stake.amount:
        raise WrongStage(f"{contributor.id} has nothing at stake in {command.training}")
    if stake.waiting:
        raise WrongStage(
            f"the stake answers for {stake.waiting} rows that are not looked at yet; "
            "it is free once they are"
        )
    if stake.round:
        last = round_at(pre, command.training, stake.round)
        if last.stage is not RoundStage.FINISHED:
            raise WrongStage(
                f"round {last.id}, to which {contributor.id} offered data, is "
                f"{last.stage}; the stake is free when it is finished"
            )
    draft = Draft(pre)
    locked = account("locked", "data", command.training)
    draft.move(locked, contributor.token, stake.amount, "stake of data returned")
    draft.put(replace(stake, amount=MicroToken(0)))
    return draft.diff()


def offer_data(pre: PreState, params: Params, command: OfferData) -> Diff:
    """
    Offer a data set to the round that is under way; each is offered to one.

    Refusals, in order of precedence: those of `_data_of`, `WrongStage` for data that is
    not committed to or was offered before, those of `round_at`, `WrongStage` for a
    round that takes none, `Malformed`, those of the numbers, `NotAsCommitted`,
    `NotEligible` for data that was not looked at, is not valid, or has more rows than
    the stake answers for, `Malformed` for more rows than a round takes.
    """
    data = _data_of(pre, command.data, command.contributor)
    taken = is_taken(pre, data)
    if not data.histogram or taken:
        stands = f"in round {data.round}" if taken else "not committed to"
        raise WrongStage(f"data {data.id} is {stands}; offer other data")
    round_ = round_at(pre, data.training, command.number)
    if round_.stage not in (RoundStage.STARTED, RoundStage.RUNNING):
        raise WrongStage(f"round {round_.id} is {round_.stage}; it takes no more data")
    if round_.masses:
        raise WrongStage(
            f"what round {round_.id} aims at is known; offer data to the next round"
        )
    if (
        round_.rules.data_share is DataShare.SHAPLEY
        and round_.offers == OFFERS_MEASURED_MAX
    ):
        raise WrongStage(
            f"round {round_.id} has {round_.offers} data sets, which is as many as are "
            "measured one by one; offer data to the next round"
        )
    training = checks.existing(pre, Training, data.training)
    counts = histogram("counts", command.counts, len(training.pool))
    _refuse_other_histogram(data, counts, checks.digest("salt", command.salt))
    given = (data.valid, data.checked, params.royalty.min_validity)
    if data.invalid or not is_valid(*given):
        raise NotEligible(
            f"of {data.checked} rows of data {data.id} that were looked at "
            f"{data.valid} are valid; at least {given[2] / WAD:.0%} must be"
        )
    staked = _cover(pre, params, data, round_)
    return Diff(
        records=(
            replace(data, round=round_.number),
            *staked,
            *_taken(pre, round_, data, counts),
        )
    )


# for other rules


def is_taken(pre: PreState, data: DataSet) -> bool:
    """Tell whether a round has a data set; one that was abandoned has none."""
    return bool(data.round) and not round_at(pre, data.training, data.round).abandoned


def part_name(round_: str, number: int) -> str:
    """Name a part of a round's data."""
    return f"{round_}:part:{number}"


def offer_name(round_: str, number: int) -> str:
    """Name an offer by its number, from 1."""
    return f"{round_}:offer:{number}"


def _is_somebodys(pre: PreState, row: str) -> bool:
    """Tell whether a row is declared, in data that was not found invalid."""
    found = pre.record(Row, row)
    if found is None:
        return False
    return not checks.existing(pre, DataSet, found.data).invalid


def _taken(
    pre: PreState, round_: Round, data: DataSet, counts: tuple[int, ...]
) -> tuple[Offer, Part, Round]:
    number = round_.offers + 1
    if round_.rows + data.rows > ROWS_MAX:
        raise Malformed(
            f"round {round_.id} has {round_.rows} rows; it takes {ROWS_MAX} at most"
        )
    name = part_name(round_.id, (number - 1) // PART)
    part = pre.record(Part, name)
    together = counts
    if part is not None:
        together = tuple(map(sum, zip(part.counts, counts, strict=True)))
    return (
        Offer(offer_name(round_.id, number), data.id, data.contributor, counts),
        Part(name, together),
        replace(round_, offers=number, rows=round_.rows + data.rows),
    )


def _cover(
    pre: PreState, params: Params, data: DataSet, round_: Round
) -> tuple[DataStake, ...]:
    """Note that a stake answers for rows of a round, too."""
    found = pre.record(DataStake, _stake_name(data.training, data.contributor))
    before = found.rows if found and found.round == round_.number else 0
    stake = _staked(pre, params, data, before, f"offer to round {round_.id}")
    if stake is None:
        return ()
    return (replace(stake, round=round_.number, rows=before + data.rows),)


def _staked(
    pre: PreState, params: Params, data: DataSet, before: int, what: str
) -> DataStake | None:
    """Find the stake that answers for data. Refuses with `NotEligible` if too small."""
    stake = pre.record(DataStake, _stake_name(data.training, data.contributor))
    rate = params.royalty.rows_per_token
    amount = MicroToken(0) if stake is None else stake.amount
    rows, most = before + data.rows, rows_covered(amount, rate)
    if rate and rows > most:
        raise NotEligible(
            f"{data.contributor} would {what} {rows} rows; its stake in "
            f"{data.training} answers for {most}"
        )
    return stake


def _refuse_other_histogram(data: DataSet, counts: tuple[int, ...], salt: str) -> None:
    if histogram_digest(data.id, salt, counts) != data.histogram:
        raise NotAsCommitted(
            f"counts and salt are not those that data {data.id} committed to, "
            f"{data.histogram[:16]}..."
        )
    if sum(counts) != data.rows:
        raise NotAsCommitted(
            f"counts has {sum(counts)} rows; data {data.id} has {data.rows} that count"
        )


def _open(pre: PreState, name: str) -> Training:
    training = checks.existing(pre, Training, name)
    if training.finished:
        raise WrongStage(f"training {training.id} is finished; it takes nothing more")
    return training


def _data_of(pre: PreState, name: str, contributor: object) -> DataSet:
    """Find data of a contributor. Refuses with `UnknownRecord`, `NotAllowed`."""
    data = checks.existing(pre, DataSet, name)
    if data.contributor != contributor:
        raise NotAllowed(
            f"data {data.id} belongs to {data.contributor}, and not to "
            f"{str(contributor)[:80]}"
        )
    return data


def _stake_name(training: str, contributor: str) -> str:
    return f"{training}:{contributor}"
