"""Commands about resources: what suppliers offer, from its name to its last pay."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from coopera.cli.books.given import gives, looks_and_gives
from coopera.cli.books.looking import Look, looking
from coopera.cli.books.options import AMOUNTS, COUNTS, in_json, last_lines, on_books
from coopera.cli.books.showing import (
    cut,
    say_earlier,
    show_columns,
    show_json,
    show_table,
)
from coopera.cli.market.steps import Step, owner_of, steps_of

if TYPE_CHECKING:
    from coopera.protocol.orders import Earning
    from coopera.protocol.supply import Resource, Track

HEADER = (
    *("name", "kind", "device", "region", "price", "stage"),
    *("certificate", "busy", "validated", "total"),
)
STAGES = ("registered", "certified", "staked", "revoked", "retired")
"""As in `protocol.supply`, which is imported by the commands that need it."""

Waiting = tuple[str, int, Step]
"""Job, place of the task, and what is to be done next."""


by_owner = click.option(
    "--owner", metavar="WHO", help="Who owns it. Default: as the books say."
)


@click.group()
def resource() -> None:
    """Offer resources, have them certified, see how they do."""


@resource.command(short_help="Offer a resource, and pay the onboarding fee.")
@click.argument("name")
@click.option("--owner", required=True, metavar="WHO", help="As supplier:gpu.")
@click.option(
    "--kind", required=True, help="Column of the payment matrix, or validator."
)
@click.option("--device", required=True, help="What does the work, as h100 or person.")
@click.option("--region", required=True)
@click.option(
    "--price",
    type=AMOUNTS,
    required=True,
    metavar="DOLLARS",
    help="Lowest for a unit of its kind's part of a job.",
)
@click.option("--latency", type=COUNTS, required=True, help="In milliseconds, p95.")
@click.option("--count", type=COUNTS, default="1", help="Devices. Default: 1.")
@click.option("--memory", type=COUNTS, default="0", help="In GiB. Default: 0.")
@click.option("--slots", type=COUNTS, default="1", help="Jobs at a time. Default: 1.")
@click.option("--model", "models", multiple=True, help="That it serves; repeatable.")
@gives
def register(
    name: str,
    owner: str,
    kind: str,
    device: str,
    region: str,
    price: int,
    latency: int,
    count: int,
    memory: int,
    slots: int,
    models: tuple[str, ...],
) -> object:
    """Offer a resource, called NAME for good, and pay the onboarding fee for it."""
    from coopera.protocol.supply import RegisterResource

    where = (kind, device, count, memory, region, latency)
    return RegisterResource(name, owner, *where, price, slots, models)


@resource.command(short_help="Change what a resource asks, and how much it takes on.")
@click.argument("name")
@click.option("--price", type=AMOUNTS, metavar="DOLLARS", help="Default: as it is.")
@click.option("--slots", type=COUNTS, help="Jobs at a time. Default: as it is.")
@by_owner
@looks_and_gives
def reprice(
    look: Look, name: str, price: int | None, slots: int | None, owner: str | None
) -> object:
    """Change what the resource NAME asks for a unit, and how many jobs it takes."""
    from coopera.protocol.supply import RepriceResource, Resource

    found = look.existing(Resource, name)
    return RepriceResource(
        name,
        owner or found.owner,
        found.can.price if price is None else price,
        found.can.slots if slots is None else slots,
    )


@resource.command("test", short_help="Ask for the test that certifies a resource.")
@click.argument("name")
@by_owner
@looks_and_gives
def test_(look: Look, name: str, owner: str | None) -> object:
    """
    Ask for the test of the resource NAME: a small job without pay.

    It is delivered and checked like any other, under the name certify:NAME:1 and so on.
    """
    from coopera.protocol.jobs import RequestCertification

    return RequestCertification(name, owner or owner_of(look, name))


@resource.command(short_help="Attest that a resource has passed a test.")
@click.argument("name")
@click.option("--evidence", required=True, metavar="TEXT", help="What shows it.")
@gives
def certify(name: str, evidence: str) -> object:
    """Attest that the resource NAME has passed a test, as for the first validators."""
    from coopera.protocol.supply import CertifyResource

    return CertifyResource(name, evidence)


@resource.command(short_help="Open a certified resource to jobs.")
@click.argument("name")
@click.option("--project", default="", help="In whose Phase 1 to take a seat.")
@by_owner
@looks_and_gives
def stake(look: Look, name: str, project: str, owner: str | None) -> object:
    """Open the certified resource NAME to jobs, and to a seat in a project."""
    from coopera.protocol.supply import StakeCertificate

    return StakeCertificate(name, owner or owner_of(look, name), project)


@resource.command(short_help="Take what a seat accrued in Phase 1.")
@click.argument("name")
@by_owner
@looks_and_gives
def claim(look: Look, name: str, owner: str | None) -> object:
    """Take what the seat of the resource NAME accrued, once it is in Phase 2."""
    from coopera.protocol.supply import ClaimSeat

    return ClaimSeat(name, owner or owner_of(look, name))


@resource.command(short_help="Take a certificate away.")
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help="Kept in the books.")
@gives
def revoke(name: str, reason: str) -> object:
    """Take the certificate of the resource NAME away, and a seat with its rewards."""
    from coopera.protocol.supply import RevokeCertificate

    return RevokeCertificate(name, reason)


@resource.command(short_help="Withdraw a resource for good.")
@click.argument("name")
@by_owner
@looks_and_gives
def retire(look: Look, name: str, owner: str | None) -> object:
    """Withdraw the resource NAME for good; pay that was held back is paid."""
    from coopera.protocol.supply import RetireResource

    return RetireResource(name, owner or owner_of(look, name))


@resource.command("list", short_help="List resources, the newest last.")
@click.option("--owner", metavar="WHO", help="Only of this member.")
@click.option("--kind", help="Only of this kind.")
@click.option("--stage", type=click.Choice(STAGES), help="Only at this stage.")
@last_lines
@on_books
@in_json
def list_(
    owner: str | None,
    kind: str | None,
    stage: str | None,
    last: int,
    url: str,
    *,
    as_json: bool,
) -> None:
    """List resources in the order of their registration, the newest last."""
    from coopera.protocol.supply import Resource

    with looking(url) as look:
        found = [
            each
            for each in look.records(Resource).values()
            if owner in (None, each.owner)
            and kind in (None, each.can.kind)
            and stage in (None, each.stage.value)
        ]
        found.sort(key=lambda each: each.serial)
        shown, earlier = cut(found, last)
        tracks = [_track(look, each.id) for each in shown]
    pairs = list(zip(shown, tracks, strict=True))
    if as_json:
        resources = [_resource_json(*pair) for pair in pairs]
        show_json({"resources": resources, "earlier": earlier})
        return
    if not shown:
        click.echo("there are no such resources")
        return
    show_columns([HEADER, *(_row(*pair) for pair in pairs)], right=(4, 6, 7, 8, 9))
    say_earlier(earlier)


@resource.command(short_help="Tell all about a resource.")
@click.argument("name")
@on_books
@in_json
def show(name: str, url: str, *, as_json: bool) -> None:
    """Tell all about the resource NAME: what it can do, did, is owed, has to do."""
    from coopera.protocol.orders import Earning
    from coopera.protocol.supply import Resource, Seats, phase_of, reputation_of
    from coopera.units import WAD, unscaled

    with looking(url) as look:
        found = look.existing(Resource, name)
        track = _track(look, name)
        params, economy = look.params(), look.day().economy
        reputation = reputation_of(params, track)
        unpaid = [look.existing(Earning, each) for each in track.unpaid]
        seats = look.record(Seats, found.project) if found.project else None
        accrued = seats.accrued - found.seated_at if seats else 0
        phase = phase_of(params, economy, found.project) if found.project else 0
        now = look.now()
        waiting = list(_waiting(look, name, now)) if track.busy else []
    held: dict[str, int] = {
        "usd": sum(lot.usd for lot in track.lots),
        "token": sum(lot.token for lot in track.lots),
    }
    if as_json:
        told = {
            **_resource_json(found, track),
            "evidence": found.evidence,
            "reputation": str(unscaled(reputation, WAD)),
            "active_day": track.active_day,
            "unpaid": [_earning_json(each) for each in unpaid],
            "held_back_micro_units": held,
            "seat": None
            if seats is None
            else {
                "project": found.project,
                "phase": phase,
                "accrued_micro_token": accrued,
            },
            "tasks": [
                {"job": job, "task": place, **step.told} for job, place, step in waiting
            ],
        }
        show_json(told)
        return
    click.echo(click.style(f"{name}  {found.can.kind}, {found.stage}", bold=True))
    seat = _seat(found, phase, accrued)
    ratio = f"{reputation / WAD:.4f}"
    show_table([*_described(found, track, ratio), *_owed(unpaid, held), ("seat", seat)])
    _show_waiting(waiting, now)


def _described(
    found: "Resource", track: "Track", reputation: str
) -> Sequence[tuple[str, str]]:
    from coopera.accounting.explain import millionths

    can = found.can
    certificate = "none"
    if found.certificate:
        void = found.stage.value == "revoked"
        number = "taken away" if void else f"{found.certificate}"
        certificate = f"{number}, {found.evidence}"
    device = f"{can.count} {can.device}, {can.memory_gib} GiB"
    window = f"{track.validated} of the last {len(track.outcomes)} validated"
    return (
        ("owner", found.owner),
        ("device", f"{device}, {can.region}, {can.latency_ms} ms"),
        ("models", ", ".join(can.models) or "none"),
        ("price", f"{millionths(can.price)} USD a unit, at least"),
        ("jobs now", f"{track.busy} of {can.slots}"),
        ("certificate", certificate),
        ("reputation", f"{reputation}, {window}, {track.total} in all"),
        ("active", f"on day {track.active_day}"),
    )


def _owed(
    unpaid: Sequence["Earning"], held: dict[str, int]
) -> Iterator[tuple[str, str]]:
    """Say what a resource has earned and has not got yet."""
    from coopera.accounting.explain import millionths
    from coopera.protocol.settlement import VERDICTS

    for each in unpaid:
        day, _, what = each.id.rpartition(":")[0].partition(":")
        of = f"{millionths(each.units)} USD of income, {what}"
        if what == VERDICTS:
            of = f"{millionths(each.units)} token, for verdicts"
        lost = ", forfeited" if each.forfeited else ""
        yield "unpaid", f"day {day}: {of}{lost}"
    yield (
        "held back",
        f"{millionths(held['usd'])} USD, {millionths(held['token'])} token",
    )


def _seat(found: "Resource", phase: int, accrued: int) -> str:
    from coopera.accounting.explain import millionths

    if not found.project:
        return "none"
    rest = "locked until Phase 2"
    if phase != 1:
        rest = f"to be claimed: coopera resource claim {found.id}"
    return f"{found.project}, accrued {millionths(accrued)} token, {rest}"


def _show_waiting(waiting: Sequence[Waiting], now: int) -> None:
    if waiting:
        click.echo(click.style("\nWhat is to be done", bold=True))
    for job, place, step in waiting:
        click.echo(f"  task {place} of {job}, {step.said(now)}")


def _waiting(look: Look, name: str, now: int) -> Iterator[Waiting]:
    """List what a resource has, whether it is to do something or others are."""
    from coopera.protocol.orders import HELD, Audit, Job, task_place

    for job in look.open_records(Job, naming=name).values():
        for place, task in enumerate(job.tasks):
            if task.resource == name and task.stage in HELD:
                for step in steps_of(look, job, place, now):
                    yield job.id, place, step
    for audit in look.open_records(Audit, naming=name).values():
        if name not in [each.resource for each in audit.panel]:
            continue
        job_id, place = task_place(audit.id)
        for step in steps_of(look, look.existing(Job, job_id), place, now):
            if step.resource in ("", name):
                yield job_id, place, step


def _track(look: Look, name: str) -> "Track":
    from coopera.protocol.supply import Track

    return look.record(Track, name) or Track(name)


def _row(found: "Resource", track: "Track") -> tuple[str, ...]:
    from coopera.accounting.explain import millionths

    can = found.can
    return (
        *(found.id, can.kind, can.device, can.region, millionths(can.price)),
        *(found.stage.value, str(found.certificate or "-")),
        *(f"{track.busy}/{can.slots}", f"{track.validated}/{len(track.outcomes)}"),
        str(track.total),
    )


def _resource_json(found: "Resource", track: "Track") -> dict[str, Any]:
    """Put a resource into JSON, prices in micro-dollars."""
    from dataclasses import asdict

    return {
        "name": found.id,
        "serial": found.serial,
        "owner": found.owner,
        **asdict(found.can),
        "stage": found.stage.value,
        "certificate": found.certificate,
        "busy": track.busy,
        "validated": track.validated,
        "completed": len(track.outcomes),
        "total": track.total,
    }


def _earning_json(earning: "Earning") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(earning)
