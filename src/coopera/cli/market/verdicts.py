"""Commands about verdicts: who is drawn, what they found, what came of it."""

import secrets
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coopera.cli.books.given import Asked, looks_and_gives
from coopera.cli.books.looking import Look, looking
from coopera.cli.books.options import in_json, last_lines, on_books
from coopera.cli.books.showing import cut, say_earlier, show_columns, show_json
from coopera.cli.market.places import place_of
from coopera.cli.market.salts import Salt, keep, kept
from coopera.cli.market.steps import Step, owner_of, steps_of
from coopera.cli.market.written import by_place
from coopera.errors import Malformed, UnknownRecord

if TYPE_CHECKING:
    from coopera.protocol.orders import Audit, Job, Verdict

HEADER = ("job", "task", "looks at", "verdict", "awaited", "until")

by_validator = click.option(
    "--validator", required=True, metavar="R", help="Resource that was drawn."
)
by_owner = click.option(
    "--owner", metavar="WHO", help="Who owns it. Default: as the books say."
)
pass_or_fail = click.option(
    "--pass/--fail", "passed", default=None, help="The verdict."
)
in_salts = click.option(
    "--salts", metavar="FILE", help="Of salts that its owner alone may read."
)


@click.group(short_help="Draw validators; commit to verdicts, reveal them.")
def verdict() -> None:
    """Draw validators, and let them say in secret and then openly what they found."""


@verdict.command(short_help="Let chance decide who checks delivered work.")
@click.argument("name", metavar="JOB")
@by_place
@looks_and_gives
def draw(look: Look, name: str, place: int | None) -> object:
    """Let chance decide who checks the work that is delivered for a task of JOB."""
    from coopera.protocol.validation import DrawValidators

    return DrawValidators(name, _place(look, name, place)[1])


@verdict.command(short_help="Commit to a verdict, without saying it yet.")
@click.argument("name", metavar="JOB")
@by_validator
@by_owner
@pass_or_fail
@by_place
@click.option("--salt", metavar="HEX", help="64 hexadecimal digits. Default: new ones.")
@in_salts
@looks_and_gives
def commit(
    look: Look,
    name: str,
    validator: str,
    owner: str | None,
    passed: bool | None,  # noqa: FBT001 - click names its arguments
    place: int | None,
    salt: str | None,
    salts: str | None,
) -> object:
    """
    Commit to a verdict on a task of JOB, without saying it yet.

    What hides it is a salt: keep what is printed, or name a file to keep it in.
    """
    from coopera.protocol import checks
    from coopera.protocol.validation import CommitVerdict

    found = _verdict_said(passed)
    salt = secrets.token_hex(32) if salt is None else checks.digest("--salt", salt)
    at = _place(look, name, place)[1]
    hidden = Salt(name, at, validator, found, salt)
    command = CommitVerdict(
        name, at, validator, owner or owner_of(look, validator), hidden.digest
    )
    if salts is None:
        said = f"salt {salt}\nKeep it: it is needed to reveal this verdict."
        return Asked(command, said, {"salt": salt})
    said = f"The salt that is needed to reveal this verdict is kept in {salts}."
    first = partial(keep, Path(salts), hidden)
    return Asked(command, said, {"salts": salts}, first)


@verdict.command(short_help="Reveal a verdict that was committed to.")
@click.argument("name", metavar="JOB")
@by_validator
@by_owner
@pass_or_fail
@by_place
@click.option("--salt", metavar="HEX", help="As it was committed to.")
@in_salts
@looks_and_gives
def reveal(
    look: Look,
    name: str,
    validator: str,
    owner: str | None,
    passed: bool | None,  # noqa: FBT001 - click names its arguments
    place: int | None,
    salt: str | None,
    salts: str | None,
) -> object:
    """
    Reveal a verdict on a task of JOB: by --salts, or by --pass or --fail and --salt.

    It can be revealed once all have committed, or the time for that is over.
    """
    from coopera.protocol.validation import RevealVerdict

    if (salt is None) == (salts is None):
        said = "neither is" if salt is None else "both are"
        raise Malformed(f"--salt or --salts reveals a verdict, and {said} given")
    at = _place(look, name, place)[1]
    who = owner or owner_of(look, validator)
    if salt is not None:
        return RevealVerdict(name, at, validator, who, _verdict_said(passed), salt)
    assert salts is not None
    found = _salt_of(look, Path(salts), name, at, validator)
    if passed not in (None, found.passed):
        was = "--pass" if found.passed else "--fail"
        raise Malformed(f"what was committed to is {was}; reveal that, or leave it out")
    return RevealVerdict(name, at, validator, who, found.passed, found.salt)


@verdict.command(short_help="Make an outcome of the verdicts.")
@click.argument("name", metavar="JOB")
@by_place
@looks_and_gives
def conclude(look: Look, name: str, place: int | None) -> object:
    """Make an outcome of the verdicts on a task of JOB, or ask for another round."""
    from coopera.protocol.validation import ConcludeAudit

    return ConcludeAudit(name, _place(look, name, place)[1])


@verdict.command("list", short_help="List what a validator was drawn for.")
@by_validator
@last_lines
@on_books
@in_json
def list_(validator: str, last: int, url: str, *, as_json: bool) -> None:
    """List what a validator was drawn for, what is awaited, and until when."""
    from coopera.protocol.orders import Audit, Job, task_place
    from coopera.protocol.supply import Resource

    with looking(url) as look:
        look.existing(Resource, validator)
        now = look.now()
        audits = [
            (audit, each)
            for audit in look.records(Audit, naming=validator).values()
            for each in audit.verdicts
            if each.resource == validator
        ]
        audits.sort(key=lambda pair: (pair[0].reveal_by, pair[0].id))
        shown, earlier = cut(audits, last)
        told = []
        for audit, each in shown:
            name, place = task_place(audit.id)
            job = look.existing(Job, name)
            steps = () if audit.over else steps_of(look, job, place, now)
            mine = [step for step in steps if step.resource in ("", validator)]
            told.append(_told(job, place, audit, each, mine))
    if as_json:
        show_json({"verdicts": told, "earlier": earlier})
        return
    if not told:
        click.echo(f"{validator} was drawn for nothing so far")
        return
    show_columns([HEADER, *map(_row, told)], right=(1,))
    say_earlier(earlier)


def _place(look: Look, name: str, place: int | None) -> tuple["Job", int]:
    """Find a job, and its task that is delivered, unless one is named."""
    from coopera.protocol.orders import Job, TaskStage

    job = look.existing(Job, name)
    return job, place_of(job, place, TaskStage.DELIVERED)


def _verdict_said(passed: bool | None) -> bool:  # noqa: FBT001 - as click gives it
    if passed is None:
        raise Malformed("no verdict is given; say --pass or --fail")
    return passed


def _salt_of(look: Look, path: Path, name: str, place: int, validator: str) -> Salt:
    """Find the salt of what a validator committed to. Refuses with `UnknownRecord`."""
    from coopera.protocol.orders import Audit, task_name

    audit = look.record(Audit, task_name(name, place))
    digests = {
        each.digest
        for each in (audit.verdicts if audit else ())
        if each.resource == validator and each.digest
    }
    if not digests:
        raise UnknownRecord(
            f"{validator} has committed to no verdict on task {place} of {name}; "
            "commit to one first: coopera verdict commit"
        )
    salts, damaged = kept(path)
    for each in salts:
        same = (each.job, each.task, each.validator) == (name, place, validator)
        if same and each.digest in digests:
            return each
    torn = f", besides {damaged} damaged lines" if damaged else ""
    raise UnknownRecord(
        f"none of the {len(salts)} salts in {path}{torn} reveals what {validator} "
        f"committed to on task {place} of {name}; name the right file, or give --salt"
    )


def _told(
    job: "Job", place: int, audit: "Audit", each: "Verdict", steps: list[Step]
) -> dict[str, Any]:
    """Put a verdict into JSON, with what it is about."""
    said = "committed" if each.digest else "silent"
    if each.passed is not None:
        said = "pass" if each.passed else "fail"
    return {
        "job": job.id,
        "task": place,
        "root": job.tasks[place].root,
        "units": job.units,
        "looks_at": audit.units,
        "round": each.round,
        "certificate": each.certificate,
        "verdict": said,
        "over": audit.over,
        "commit_by": audit.commit_by,
        "reveal_by": audit.reveal_by,
        "awaited": [step.told for step in steps],
    }


def _row(told: dict[str, Any]) -> tuple[str, ...]:
    from coopera.ledger import in_utc

    awaited, until = "nothing", ""
    if not told["over"]:
        awaited = "others"
        until = in_utc(told["reveal_by"])
    for step in told["awaited"]:
        awaited = step["what"]
        until = in_utc(step["until"]) if step["until"] else ""
    units = ", ".join(map(str, told["looks_at"]))
    where = (told["job"], str(told["task"]), f"units {units}")
    return *where, told["verdict"], awaited, until
