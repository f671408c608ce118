"""Commands about jobs: from an order to the root of the work, and its proofs."""

import json
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.given import looks_and_gives
from coopera.cli.books.looking import Look, looking
from coopera.cli.books.options import (
    AMOUNTS,
    COUNTS,
    MOMENTS,
    in_json,
    last_lines,
    on_books,
)
from coopera.cli.books.showing import (
    cut,
    say_earlier,
    show_columns,
    show_json,
    show_table,
)
from coopera.cli.files import write_new
from coopera.cli.market.places import place_of, worker_of
from coopera.cli.market.steps import audit_of, steps_of
from coopera.cli.market.written import DURATIONS, NEEDS, by_place
from coopera.errors import Malformed, UnknownRecord, Unreadable

if TYPE_CHECKING:
    from coopera.protocol.merkle import Units
    from coopera.protocol.orders import Audit, Job, Need, Task

HEADER: Final = (
    *("name", "consumer", "pipeline", "project", "price"),
    *("deadline", "stage", "tasks"),
)
STAGES: Final = ("open", "settled", "refunded")
"""As in `protocol.orders`, which is imported by the commands that need it."""
NOT_PROVEN: Final = 1
"""Exit code where a proof does not hold."""
PROOF_MAX: Final = 1 << 20
"""Most bytes of the file of a proof."""

by_worker = click.option(
    "--owner", metavar="WHO", help="Who owns the resource. Default: as the books say."
)
by_units = click.option(
    "--units", type=COUNTS, required=True, help="Units that the work is checked in."
)
by_unit = click.option("--unit", type=COUNTS, required=True, help="Which, from 0.")


@click.group()
def job() -> None:
    """Order jobs, match them, do them, and prove the work."""


@job.command(short_help="Order a job; its price waits in escrow.")
@click.argument("name")
@click.option("--consumer", required=True, metavar="WHO", help="Who pays.")
@click.option("--pipeline", required=True, help="Row of the payment matrix.")
@click.option("--project", required=True, help="For which it is done.")
@click.option(
    "--unit-price",
    type=AMOUNTS,
    required=True,
    metavar="DOLLARS",
    help="For a unit of service.",
)
@click.option(
    "--quantity", type=AMOUNTS, required=True, metavar="AMOUNT", help="Units of it."
)
@click.option("--within", type=DURATIONS, help="Time from now on, as 30m, 24h or 7d.")
@click.option("--deadline", type=MOMENTS, help="Or the moment itself, UTC.")
@click.option(
    "--incentive",
    type=AMOUNTS,
    default="0",
    metavar="DOLLARS",
    help="Bid on top, to be served first.",
)
@click.option("--units", type=COUNTS, default="1", help="To check it in. Default: 1.")
@click.option(
    "--need",
    "needs",
    type=NEEDS,
    multiple=True,
    metavar="'KIND [FIELD=VALUE]...'",
    help="A task and what it needs; repeatable. Default: one of every kind.",
)
@looks_and_gives
def create(
    look: Look,
    name: str,
    consumer: str,
    pipeline: str,
    project: str,
    unit_price: int,
    quantity: int,
    within: int | None,
    deadline: int | None,
    incentive: int,
    units: int,
    needs: Sequence["Need"],
) -> object:
    """
    Order the job NAME; its price waits in escrow.

    Fields of a need: device and region (any of several, with commas), memory (GiB),
    count, latency (ms), model, reputation (0 to 1).

    \b
    Example:
      coopera job create j1 --consumer consumer:alice --pipeline training \\
        --project demo --unit-price 2.00 --quantity 5 --within 24h \\
        --need 'training device=h100,a100 region=us-west memory=80'
    """  # noqa: D301 - click reads the backspace
    from coopera.protocol.jobs import CreateJob

    if (within is None) == (deadline is None):
        said = "neither is" if within is None else "both are"
        raise Malformed(
            f"--within and --deadline say when it is due, and {said} given; give one"
        )
    due = look.now() + within if within is not None else deadline
    assert due is not None
    asked = tuple(needs) or _plain_needs(look, pipeline)
    ordered = (unit_price, quantity, asked, due, incentive, units)
    return CreateJob(name, consumer, pipeline, project, *ordered)


@job.command(short_help="Take a job back that nobody has accepted.")
@click.argument("name")
@click.option("--consumer", metavar="WHO", help="Default: as the books say.")
@looks_and_gives
def cancel(look: Look, name: str, consumer: str | None) -> object:
    """Take the job NAME back, as long as nobody has accepted a part of it."""
    from coopera.protocol.jobs import CancelJob
    from coopera.protocol.orders import Job

    return CancelJob(name, consumer or look.existing(Job, name).consumer)


@job.command(short_help="Offer a task to a resource, by hand.")
@click.argument("name")
@click.argument("resource")
@by_place
@looks_and_gives
def match(look: Look, name: str, resource: str, place: int | None) -> object:
    """Offer a task of the job NAME to RESOURCE, which has a while to accept."""
    from coopera.protocol.jobs import MatchTask
    from coopera.protocol.orders import Job, TaskStage

    found = look.existing(Job, name)
    return MatchTask(name, place_of(found, place, TaskStage.CREATED), resource)


@job.command(short_help="Accept a task, and post a bond for it.")
@click.argument("name")
@by_place
@by_worker
@looks_and_gives
def accept(look: Look, name: str, place: int | None, owner: str | None) -> object:
    """Accept a task of the job NAME, and post a bond for it."""
    from coopera.protocol.jobs import AcceptTask
    from coopera.protocol.orders import Job, TaskStage

    found = look.existing(Job, name)
    at = place_of(found, place, TaskStage.MATCHED)
    return AcceptTask(name, at, owner or worker_of(look, found, at))


@job.command(short_help="Let a task go to another resource.")
@click.argument("name")
@by_place
@by_worker
@looks_and_gives
def decline(look: Look, name: str, place: int | None, owner: str | None) -> object:
    """Let a task of the job NAME go to another resource, before time is over."""
    from coopera.protocol.jobs import DeclineTask
    from coopera.protocol.orders import Job, TaskStage

    found = look.existing(Job, name)
    at = place_of(found, place, TaskStage.MATCHED)
    return DeclineTask(name, at, owner or worker_of(look, found, at))


@job.command(short_help="Commit to work that is done.")
@click.argument("name")
@by_place
@by_worker
@click.option("--root", metavar="HEX", help="Merkle root of the work.")
@click.option("--file", "path", metavar="PATH", help="Or the work, to compute it of.")
@click.option("--work", type=COUNTS, default="1", help="Contribution. Default: 1.")
@looks_and_gives
def deliver(
    look: Look,
    name: str,
    place: int | None,
    owner: str | None,
    root: str | None,
    path: str | None,
    work: int,
) -> object:
    """
    Commit to the work of a task of the job NAME, by its Merkle root.

    Of a file, the root is computed: the file is cut into as many units as the job is
    checked in.
    """
    from coopera.protocol.jobs import DeliverTask
    from coopera.protocol.merkle import merkle_root
    from coopera.protocol.orders import Job, TaskStage

    if (root is None) == (path is None):
        said = "neither is" if root is None else "both are"
        raise Malformed(f"--root and --file name the work, and {said} given; give one")
    found = look.existing(Job, name)
    at = place_of(found, place, TaskStage.ACCEPTED)
    if path is not None:
        with _cut_into_units(path, found.units) as units:
            root = merkle_root(units)
    assert root is not None
    return DeliverTask(name, at, owner or worker_of(look, found, at), root, work)


@job.command("list", short_help="List jobs by their deadlines.")
@click.option("--consumer", metavar="WHO", help="Only of this member.")
@click.option("--stage", type=click.Choice(STAGES), help="Only at this stage.")
@last_lines
@on_books
@in_json
def list_(
    consumer: str | None, stage: str | None, last: int, url: str, *, as_json: bool
) -> None:
    """List jobs in the order of their deadlines; tests of resources are jobs, too."""
    from coopera.protocol.orders import Job

    with looking(url) as look:
        found = [
            each
            for each in look.records(Job).values()
            if consumer in (None, each.consumer) and stage in (None, each.stage.value)
        ]
    found.sort(key=lambda each: (each.deadline, each.id))
    shown, earlier = cut(found, last)
    if as_json:
        show_json({"jobs": [_job_json(each) for each in shown], "earlier": earlier})
        return
    if not shown:
        click.echo("there are no such jobs")
        return
    show_columns([HEADER, *map(_row, shown)], right=(4,))
    say_earlier(earlier)


@job.command(short_help="Tell all about a job.")
@click.argument("name")
@on_books
@in_json
def show(name: str, url: str, *, as_json: bool) -> None:
    """Tell all about the job NAME: its price, its tasks, who is awaited until when."""
    from coopera.ledger import Hold, HoldStatus
    from coopera.protocol.orders import Job

    with looking(url) as look:
        found = look.existing(Job, name)
        hold = look.record(Hold, found.hold)
        pending = hold is not None and hold.status is HoldStatus.PENDING
        escrow = hold.amount if hold is not None and pending else 0
        now = look.now()
        places = range(len(found.tasks))
        audits = [audit_of(look, found, place) for place in places]
        steps = [steps_of(look, found, place, now) for place in places]
    if as_json:
        told = _job_json(found)
        told["escrow_micro_usd"] = escrow
        for task, audit, awaited in zip(told["tasks"], audits, steps, strict=True):
            task["audit"] = None if audit is None else _audit_json(audit)
            task["awaited"] = [step.told for step in awaited]
        show_json(told)
        return
    _show_job(found, escrow)
    for place, task in enumerate(found.tasks):
        head = f"\ntask {place}  {task.need.kind}, {task.stage}"
        click.echo(click.style(head, bold=True))
        rows = [*_of_task(task), *_of_audit(audits[place])]
        rows += [("awaited", step.said(now)) for step in steps[place]]
        show_table(rows)


@job.command(short_help="Prove that a unit is part of work.")
@click.argument("path", metavar="FILE")
@by_units
@by_unit
@click.option("--save", metavar="PATH", help="Also write the unit to a new file.")
@in_json
def prove(path: str, units: int, unit: int, save: str | None, *, as_json: bool) -> None:
    """
    Prove that a unit is part of the work in FILE, to whoever has its root alone.

    Give --json, keep what is printed, and hand it on with the unit.
    """
    from coopera.protocol.merkle import merkle_proof, merkle_root

    with _cut_into_units(path, units) as cut_up:
        _refuse_place(unit, units)
        root, proof = merkle_root(cut_up), merkle_proof(cut_up, unit)
        size = len(cut_up[unit])
        if save is not None:
            write_new(save, bytes(cut_up[unit]))
    if as_json:
        show_json({"root": root, "units": units, "unit": unit, "proof": proof})
        return
    click.echo(f"unit {unit} of {units}, {size:,} bytes")
    show_table([("root", root), *(("beside", each) for each in proof)])


@job.command("verify-unit", short_help="Check that a unit is part of work.")
@click.argument("path", metavar="UNIT")
@click.option("--proof", required=True, metavar="PATH", help="Printed by prove --json.")
@by_unit
@click.option("--job", "name", help="Job whose work it should be part of.")
@by_place
@click.option("--root", metavar="HEX", help="Or the root of the work, with --units.")
@click.option("--units", type=COUNTS, help="Units of the work, with --root.")
@on_books
@in_json
def verify_unit(
    path: str,
    proof: str,
    unit: int,
    name: str | None,
    place: int | None,
    root: str | None,
    units: int | None,
    url: str,
    *,
    as_json: bool,
) -> None:
    """
    Check that the file UNIT is a unit of the work that a supplier committed to.

    Root and number of units are those of the books, by --job, or those that you know;
    what the proof says of them is not believed. Exit code 1 where it does not hold.
    """
    from coopera.protocol import checks
    from coopera.protocol.merkle import proves

    if (name is None) == (root is None) or (root is None) != (units is None):
        raise Malformed("say what to check it against: --job, or --root and --units")
    if name is not None:
        with looking(url) as look:
            root, units = _delivered(look, name, place)
    assert root is not None
    assert units is not None
    checks.digest("--root", root)
    _refuse_place(unit, units)
    holds = proves(root, _content(path), unit, units, _proof(proof))
    if as_json:
        show_json({"verified": holds, "root": root, "units": units, "unit": unit})
    elif holds:
        click.echo(f"{path} is unit {unit} of {units} of the work {root[:16]}...")
    else:
        said = f"{path} is NOT unit {unit} of {units} of the work {root[:16]}..."
        click.echo(click.style(said, fg="red"))
    if not holds:
        click.get_current_context().exit(NOT_PROVEN)


def _plain_needs(look: Look, pipeline: str) -> tuple["Need", ...]:
    """Ask for one task of every kind that a pipeline pays."""
    from coopera.protocol.orders import Need

    matrix = look.params().matrix
    row = matrix.rows.get(pipeline, ())
    # What is not in the matrix is refused by the protocol, which names its rows.
    return tuple(
        Need(kind) for kind, share in zip(matrix.kinds, row, strict=False) if share
    )


def _delivered(look: Look, name: str, place: int | None) -> tuple[str, int]:
    """Find the root of a task's work, and the units that it is checked in."""
    from coopera.protocol.orders import Job

    found = look.existing(Job, name)
    rooted = [i for i, task in enumerate(found.tasks) if task.root]
    if place is None and len(rooted) == 1:
        place = rooted[0]
    if place is None or place not in rooted:
        which = ", ".join(map(str, rooted)) or "none"
        raise UnknownRecord(
            f"job {name} has no work of task {'?' if place is None else place}; tasks "
            f"with work, for --task: {which}"
        )
    return found.tasks[place].root, found.units


def _refuse_place(unit: int, units: int) -> None:
    from coopera.protocol.orders import UNITS_MAX

    if not 0 < units <= UNITS_MAX:
        raise Malformed(f"--units is {units}; work has from 1 to {UNITS_MAX}")
    if not 0 <= unit < units:
        raise Malformed(
            f"--unit is {unit}; the work has units 0 to {units - 1}, so name one"
        )


@contextmanager
def _cut_into_units(path: str, count: int) -> Iterator["Units"]:
    """Cut a file into units, without reading it into memory."""
    from coopera.protocol.merkle import Units

    _refuse_place(0, count)
    try:
        with Path(path).open("rb") as file:
            if not file.seek(0, 2):
                raise Malformed(f"{path} is empty; name the file of the work")
            with (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
                memoryview(mapped) as content,
            ):
                yield Units(content, count)
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of the work"
        ) from None


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of the unit"
        ) from None


def _proof(path: str) -> Sequence[str]:
    """Read what `prove --json` has printed."""
    from coopera.protocol.checks import DIGEST

    said = f"{path} holds no proof; name what coopera job prove --json has printed"
    try:
        with Path(path).open("rb") as file:
            told: Any = json.loads(file.read(PROOF_MAX))
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of the proof"
        ) from None
    except (ValueError, RecursionError):
        raise Unreadable(said) from None
    proof = told.get("proof") if isinstance(told, dict) else None
    if not isinstance(proof, list) or not all(
        isinstance(each, str) and DIGEST.fullmatch(each) for each in proof
    ):
        raise Unreadable(said)
    return proof


def _show_job(found: "Job", escrow: int) -> None:
    from coopera.accounting.explain import millionths
    from coopera.ledger import in_utc

    what = f"{found.pipeline} for {found.project}" if found.project else found.pipeline
    click.echo(click.style(f"{found.id}  {what}, {found.stage}", bold=True))
    tip = f", of it {millionths(found.incentive)} incentive" if found.incentive else ""
    rows = [
        ("consumer", found.consumer or "none, it is a test"),
        ("price", f"{millionths(found.price)} USD{tip}"),
        ("in escrow", f"{millionths(escrow)} USD"),
        ("checked in", f"{found.units:,} units"),
    ]
    if found.deadline:
        rows.append(("deadline", in_utc(found.deadline)))
    show_table(rows)


def _of_task(task: "Task") -> Iterator[tuple[str, str]]:
    from coopera.accounting.explain import millionths

    yield "needs", _needed(task.need)
    yield (
        "part",
        f"{millionths(task.price)} USD, at {millionths(task.ceiling)} a unit at most",
    )
    if task.resource:
        yield "resource", f"{task.resource}, with certificate {task.certificate}"
    if task.bond:
        yield "bond", f"{millionths(task.bond)} token"
    if task.root:
        yield "work", f"{task.root}, contribution {task.work:,}"
    if task.failed:
        yield "failed", ", ".join(task.failed)
    if task.declined:
        yield "declined", ", ".join(task.declined)


def _of_audit(audit: "Audit | None") -> Iterator[tuple[str, str]]:
    if audit is None:
        return
    over = ", over" if audit.over else ""
    yield "audit", f"round {audit.round}, {len(audit.panel)} on the panel{over}"
    yield "looks at", f"units {', '.join(map(str, audit.units))}"
    for each in audit.verdicts:
        said = "committed" if each.digest else "silent so far"
        if each.passed is not None:
            said = "pass" if each.passed else "fail"
        elif audit.over:
            said = "silent"
        yield f"round {each.round}", f"{each.resource}: {said}"


def _needed(need: "Need") -> str:
    """Write a need as the command line reads it."""
    from coopera.units import WAD, unscaled

    said = {
        "device": ",".join(need.devices),
        "region": ",".join(need.regions),
        "memory": need.memory_gib,
        "count": need.count,
        "latency": need.latency_ms,
        "model": need.model,
        "reputation": need.min_reputation and unscaled(need.min_reputation, WAD),
    }
    return " ".join([need.kind, *(f"{k}={v}" for k, v in said.items() if v)])


def _row(found: "Job") -> tuple[str, ...]:
    from coopera.accounting.explain import millionths
    from coopera.ledger import in_utc

    stages = [task.stage.value for task in found.tasks]
    tasks = ", ".join(f"{stages.count(each)} {each}" for each in dict.fromkeys(stages))
    return (
        *(found.id, found.consumer or "-", found.pipeline, found.project or "-"),
        millionths(found.price),
        in_utc(found.deadline) if found.deadline else "-",
        *(found.stage.value, tasks),
    )


def _job_json(found: "Job") -> dict[str, Any]:
    """Put a job into JSON, as the books keep it: amounts in millionths."""
    from dataclasses import asdict

    told = asdict(found)
    return {"name": told.pop("id"), **told}


def _audit_json(audit: "Audit") -> dict[str, Any]:
    from dataclasses import asdict

    told = asdict(audit)
    del told["id"]
    return told
