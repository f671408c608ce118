"""Every receipt is explained by the formulas of the book, and recomputed."""

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict

import pytest

from coopera.accounting import explain as explaining
from coopera.accounting.explain import explain
from coopera.errors import UnknownRecord
from coopera.formulas import services

WORKED_OUT = (
    "call_agent",
    "call_model",
    "train",
    "pay_job",
    "pay_launchpad",
    "refund_charge",
    "contribute",
    "share_budget",
)


def first(store, kind):
    ((number,),) = store.read("SELECT min(id) FROM receipts WHERE kind = ?", kind)
    return explain(store, number)


def test_every_receipt_is_explained_and_agrees(store):
    for number in range(1, store.head().receipt + 1):
        explained = explain(store, number)

        assert explained.agrees
        assert not any(step.problem for step in explained.workings)
        assert all(move.basis for move in explained.transfers)
        assert json.loads(json.dumps(asdict(explained)))["number"] == number


@pytest.mark.parametrize("kind", WORKED_OUT)
def test_what_formulas_gave_is_recomputed_with_its_source(store, kind):
    explained = first(store, kind)

    worked_out = [move for move in explained.transfers if move.working is not None]
    assert worked_out
    assert all(move.agrees for move in worked_out)
    for step in explained.workings:
        assert step.formula.source.startswith("docs/")
        assert step.formula.meaning.endswith(".")
        assert step.arguments
        assert step.results


def test_agent_call_is_worked_out_by_name_and_unit(store):
    explained = first(store, "call_agent")
    fee, split, *_ = explained.workings

    assert fee.formula.name == "services.prompt_fee"
    assert fee.formula.equation == "Fee = Ti * Pt_{in} + To * Pt_{out}"
    assert fee.formula.source == "docs/papers/mvn.md#agent-api-value-flow"
    assert [(each.name, each.written, each.unit) for each in fee.arguments] == [
        ("input_tokens", "1,200", ""),
        ("output_tokens", "800", ""),
        ("input_price", "3.000000", "USD"),
        ("output_price", "15.000000", "USD"),
    ]
    assert [(each.written, each.unit) for each in fee.results] == [("0.015600", "USD")]
    assert [each.name for each in split.results] == list(services.AgentSplit._fields)
    assert [each.written for each in split.arguments[1:]] == [
        *("0.05", "0.1", "0.3", "0.5")
    ]
    template = next(m for m in explained.transfers if m.reason == "template")
    assert (template.basis, template.part, template.written, template.unit) == (
        *("services.agent_split: template", "template", "0.001092", "USD"),
    )


def test_what_any_asset_may_be_is_written_in_the_one_that_moves(store):
    staked = first(store, "pay_launchpad").workings[0]
    points = first(store, "contribute").workings

    assert [(each.written, each.unit) for each in staked.arguments] == [
        ("5.000001", "token"),
        ("0.01", ""),
    ]
    assert {each.unit for each in staked.results} == {"token"}
    assert [step.results[0].unit for step in points] == ["point", "point"]


def test_every_formula_without_a_unit_of_its_own_is_counted_as_moved(store):
    for number in range(1, store.head().receipt + 1):
        for step in explain(store, number).workings:
            plain = {each.unit for each in step.results} == {""}
            assert not plain or step.formula.name == "services.training_weights"


@pytest.mark.parametrize(
    ("kind", "basis"),
    [
        ("deposit", "the command gave the amount"),
        ("confirm_withdrawal", "what the hold reserved"),
        ("void_hold", "what the hold reserved"),
        ("open_books", "the settings that the command gave"),
    ],
)
def test_amount_without_a_working_has_another_ground(store, kind, basis):
    move = first(store, kind).transfers[0]

    assert (move.basis, move.working) == (basis, None)
    assert move.agrees is (True if kind == "deposit" else None)


def test_refund_out_of_two_accounts_is_recomputed_together(store):
    refund = first(store, "refund_charge")

    several = [m for m in refund.transfers if "several accounts" in m.basis]
    assert [move.reason for move in several] == ["refund", "refund, made whole"]
    assert several[0].part == several[1].part
    assert sum(move.amount for move in several) == several[0].recomputed


def test_close_of_a_day_names_its_formulas_with_their_sources(store):
    closed = first(store, "close_epoch")

    named = {each.name: each for each in closed.formulas}
    assert "payments.operations_income" in named
    assert named["payments.operations_income"].source == (
        "docs/papers/bme.md#total-income"
    )
    assert named["payments.operations_income"].equation
    reasons = {move.reason: move.basis for move in closed.transfers}
    assert reasons["payments.operations_income"].startswith(
        "payments.operations_income, "
    )
    assert reasons["deposit"] == "a rule of the day's close, over its figures"


def test_amount_that_was_changed_does_not_agree(path, reading):
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TRIGGER transfers_no_update")
        database.execute(
            "UPDATE transfers SET amount = amount + 1 WHERE reason = 'template'"
        )
        database.commit()

    explained = first(reading(path), "call_agent")

    assert not explained.agrees
    assert [m.reason for m in explained.transfers if m.agrees is False] == ["template"]


def test_formula_that_is_gone_is_said_to_be(store, monkeypatch):
    monkeypatch.delattr(services, "agent_split")
    explaining.function_of.cache_clear()
    explaining.described.cache_clear()
    try:
        explained = first(store, "call_agent")
    finally:
        explaining.function_of.cache_clear()
        explaining.described.cache_clear()

    step = explained.workings[1]
    assert step.results == ()
    assert step.problem == "the formula book has no services.agent_split any more"
    assert step.arguments[0].name == "argument 1"
    template = next(m for m in explained.transfers if m.reason == "template")
    assert (template.agrees, template.basis) == (None, step.problem)


@pytest.mark.parametrize(
    "name",
    ["services.mul_div", "units.mul_div", "services", "../x.y", "nothing.at_all"],
)
def test_only_formulas_of_the_book_are_found(name):
    assert explaining.function_of(name) is None


@pytest.mark.parametrize("number", [0, -1, 9999])
def test_receipt_that_is_not_there_is_refused(store, number):
    with pytest.raises(UnknownRecord, match="there is no receipt"):
        explain(store, number)
