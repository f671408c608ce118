"""A right transcript checks, and a wrong one says at whom."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.work.valuation.games import CLASSES, a_round, drawn_rows, judge

from coopera.errors import Malformed
from coopera.work.valuation.federated import aumann_shapley
from coopera.work.valuation.knn import by_owner, knn_shapley
from coopera.work.valuation.methods import METHODS, PICO, Method, Outcome
from coopera.work.valuation.transcript import (
    TOLERANCE,
    Difference,
    check,
    compute,
    digest,
    read,
)

ROOT = Path(__file__).parents[3]
SEED = bytes(range(32))


def rows_asked():
    """Ask what the rows of four members are worth."""
    points, labels = drawn_rows(80)
    tests, wanted = drawn_rows(30, seed=1)
    return {
        "points": points,
        "labels": labels,
        "tests": tests,
        "test_labels": wanted,
        "owners": np.arange(80) % 4,
    }, {"neighbours": 5, "members": 4}


def round_asked(**more):
    """Ask what the updates of a round are worth; the last member's are too long."""
    training, model = a_round(), judge()
    updates = training.updates.copy()
    updates[5] *= 3.0
    return {
        "start": training.start,
        "updates": updates,
        "rows": training.rows,
        "features": model.features,
        "labels": model.labels,
    }, {
        "classes": CLASSES,
        "clip_factor_pico": 1_250_000_000_000,
        "faulty": 0,
        **more,
    }


GTG = {
    "orders": 60,
    "truncation_pico": 0,
    "round_truncation_pico": 0,
    "whole_round": 0,
}
ASKED = {
    "knn_shapley": (*rows_asked(), b""),
    "aumann_shapley": (*round_asked(nodes=4), b""),
    "exact_shapley": (*round_asked(whole_round=1), b""),
    "gtg_shapley": (*round_asked(**GTG), SEED),
}


@pytest.fixture(params=ASKED)
def asked(request):
    """Ask by every method in turn."""
    inputs, parameters, seed = ASKED[request.param]
    return compute(request.param, inputs, parameters, seed), inputs


def test_every_method_is_tried():
    assert set(ASKED) == set(METHODS)


def test_transcript_checks_and_reads_back(asked):
    transcript, inputs = asked
    again = read(transcript.text)
    assert again == transcript
    assert again.digest == transcript.digest
    assert check(again, inputs) == ()


def test_values_are_those_of_the_method():
    inputs, parameters, _ = ASKED["knn_shapley"]
    values = by_owner(
        knn_shapley(*(inputs[name] for name in list(inputs)[:4])), inputs["owners"], 4
    )
    found = compute("knn_shapley", inputs, parameters).values_pico
    assert found == tuple(round(value * PICO) for value in values.tolist())


def test_who_was_cut_or_left_out_is_reported():
    inputs, parameters = round_asked(nodes=4)
    inputs["updates"][2] = np.nan
    inputs["updates"][0] *= -4.0
    found = compute("aumann_shapley", inputs, {**parameters, "faulty": 1})
    assert found.reported == {"clipped": (5,), "left_out": (0,), "unreadable": (2,)}
    assert found.values_pico[0] == found.values_pico[2] == 0
    assert found.values_pico[5] != 0
    assert check(found, inputs) == ()


def test_unscreened_values_are_those_of_the_round():
    inputs, parameters = round_asked(nodes=4, clip_factor_pico=0)
    training = a_round()
    inputs["updates"] = training.updates
    found = compute("aumann_shapley", inputs, parameters)
    values = aumann_shapley(training, judge())
    np.testing.assert_allclose(np.array(found.values_pico) / PICO, values, atol=2e-12)


@pytest.mark.parametrize("member", [0, 3])
@pytest.mark.parametrize("more", [1_000, -1_000, 10**9])
def test_forged_value_is_found(asked, member, more):
    transcript, inputs = asked
    values = list(transcript.values_pico)
    values[member] += more
    forged = read(replace(transcript, values_pico=tuple(values)).text)
    assert forged.digest != transcript.digest
    assert forged.question == transcript.question
    found = check(forged, inputs)
    assert [each.member for each in found] == [member]
    assert found[0].claimed == values[member]
    assert str(found[0]).startswith(f"member {member}: value_pico is {values[member]}")


def test_values_of_two_members_exchanged_are_found(asked):
    transcript, inputs = asked
    values = list(transcript.values_pico)
    values[1], values[2] = values[2], values[1]
    found = check(replace(transcript, values_pico=tuple(values)), inputs)
    assert [each.member for each in found] == [1, 2]


def test_member_left_off_or_made_up_is_found(asked):
    transcript, inputs = asked
    values = transcript.values_pico
    members = len(values)
    short = check(replace(transcript, values_pico=values[:-1]), inputs)
    assert short == (Difference("value_pico", members - 1, None, values[-1]),)
    longer = check(replace(transcript, values_pico=(*values, 7)), inputs)
    assert longer == (Difference("value_pico", members, 7, None),)


def test_rounding_of_another_machine_is_let_pass(asked):
    transcript, inputs = asked
    values = tuple(v + TOLERANCE * (-1) ** v for v in transcript.values_pico)
    assert check(replace(transcript, values_pico=values), inputs) == ()


def test_false_report_is_found():
    inputs, parameters, _ = ASKED["aumann_shapley"]
    transcript = compute("aumann_shapley", inputs, parameters)
    assert transcript.reported["clipped"] == (5,)
    forged = replace(transcript, reported={**transcript.reported, "clipped": (1,)})
    assert check(forged, inputs) == (
        Difference("clipped", 1, 1, 0),
        Difference("clipped", 5, 0, 1),
    )


def test_another_seed_is_another_question_and_gives_other_values():
    inputs, parameters, _ = ASKED["gtg_shapley"]
    one = compute("gtg_shapley", inputs, parameters, SEED)
    two = compute("gtg_shapley", inputs, parameters, bytes(32))
    assert one.question != two.question
    assert check(replace(one, seed=two.seed), inputs)


@pytest.mark.parametrize("name", list(ASKED["knn_shapley"][0]))
def test_other_inputs_are_refused_by_name(name):
    inputs, parameters, _ = ASKED["knn_shapley"]
    transcript = compute("knn_shapley", inputs, parameters)
    other = inputs[name].copy()
    other.flat[0] += 1
    with pytest.raises(Malformed, match=f"^{name} has digest"):
        check(transcript, {**inputs, name: other})


def test_other_parameters_give_other_values():
    inputs, parameters, _ = ASKED["knn_shapley"]
    transcript = compute("knn_shapley", inputs, parameters)
    forged = replace(transcript, parameters={**parameters, "neighbours": 3})
    assert forged.question != transcript.question
    assert check(forged, inputs)


PROGRAM = """
from tests.work.valuation.test_transcript import ASKED, compute
for method, (inputs, parameters, seed) in ASKED.items():
    print(compute(method, inputs, parameters, seed).digest)
"""


def test_fresh_process_writes_the_same():
    said = subprocess.run(  # noqa: S603 - a program of our own
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.split()
    assert said == [
        compute(method, inputs, parameters, seed).digest
        for method, (inputs, parameters, seed) in ASKED.items()
    ]


def test_digest_is_of_numbers_and_not_of_how_they_are_held():
    numbers = np.arange(6.0).reshape(2, 3)
    one = digest("x", numbers, float)
    assert one == digest("x", numbers.astype(np.float32), float)
    assert one == digest("x", np.asfortranarray(numbers), float)
    assert one == digest("x", numbers.astype(">f8"), float)
    assert one == digest("x", numbers.tolist(), float)
    assert one != digest("x", numbers.reshape(3, 2), float)
    assert one != digest("x", numbers.astype(int), int)
    zeros, nothing = np.zeros(2), -np.zeros(2)
    assert digest("x", zeros, float) == digest("x", nothing, float)
    assert digest("x", [np.nan], float) == digest("x", [-np.nan], float)


def test_digest_can_be_made_by_hand():
    by_hand = hashlib.sha256(b'["int",[2]]\n' + bytes([1] + [0] * 7 + [255] * 8))
    assert digest("x", [1, -1], int).sha256 == by_hand.hexdigest()


def test_large_input_is_hashed_like_in_one_piece(monkeypatch):
    numbers = np.random.default_rng(0).normal(size=(100, 7))
    whole = digest("x", numbers, float)
    monkeypatch.setattr("coopera.work.valuation.transcript.AT_ONCE", 13)
    assert digest("x", numbers, float) == whole


def test_task_may_bring_a_method_of_its_own():
    def count(inputs, parameters, _seed):
        return Outcome(np.asarray(inputs["rows"]) * parameters["each"] / PICO)

    own = {"count": Method({"rows": int}, ("each",), seeded=False, work=count)}
    found = compute("count", {"rows": [3, 4]}, {"each": 5}, methods=own)
    assert found.values_pico == (15, 20)
    assert check(found, {"rows": [3, 4]}, methods=own) == ()
    with pytest.raises(Malformed, match="must be one of aumann_shapley"):
        check(found, {"rows": [3, 4]})


def spoilt_texts():
    """List texts that are nearly a transcript."""
    inputs, parameters, _ = ASKED["knn_shapley"]
    text = compute("knn_shapley", inputs, parameters).text
    found = json.loads(text)
    yield ""
    yield "null"
    yield "[]"
    yield "{}"
    yield text[:-1]
    yield text + "\n"
    yield text.replace(":", ": ", 1)
    yield json.dumps(dict(reversed(found.items())), separators=(",", ":"))
    changes: tuple[dict[str, Any], ...] = (
        {"format": "coopera.valuation/2"},
        {"method": 1},
        {"seed": "0g"},
        {"seed": "AB"},
        {"parameters": {"members": 4.0, "neighbours": 5}},
        {"parameters": [1]},
        {"parameters": {"members": True, "neighbours": 5}},
        {"values_pico": [1.5]},
        {"values_pico": {}},
        {"values_pico": [float("nan")]},
        {"inputs": {"points": {"sha256": 1, "shape": []}}},
        {"reported": {"clipped": ["0"]}},
        {"reported": None},
        {"more": 1},
    )
    for change in changes:
        yield json.dumps({**found, **change}, sort_keys=True, separators=(",", ":"))
    yield text.replace('"seed":""', '"seed":"","seed":""')
    yield "[" * 100_000


@pytest.mark.parametrize("text", list(spoilt_texts()), ids=lambda text: text[:20])
def test_text_that_is_no_transcript_is_refused(text):
    with pytest.raises(Malformed, match="transcript"):
        read(text)


@pytest.mark.parametrize(
    ("method", "change", "seed", "says"),
    [
        ("magic", {}, b"", "must be one of"),
        ("knn_shapley", {"neighbours": 0}, b"", "from 1 to"),
        ("knn_shapley", {"neighbours": 2.5}, b"", "whole number"),
        ("knn_shapley", {"colour": 1}, b"", "it must have members, neighbours"),
        ("knn_shapley", {}, SEED, "draws nothing"),
        ("gtg_shapley", {}, b"", "32 bytes"),
        ("gtg_shapley", {"whole_round": 2}, SEED, "from 0 to 1"),
        ("aumann_shapley", {"nodes": 0}, b"", "from 1 to"),
        ("aumann_shapley", {"clip_factor_pico": -1}, b"", "from 0 to"),
        ("aumann_shapley", {"faulty": -1}, b"", "from 0 to"),
    ],
)
def test_question_that_makes_no_sense_is_refused(method, change, seed, says):
    inputs, parameters, _ = ASKED.get(method, ASKED["knn_shapley"])
    with pytest.raises(Malformed, match=says):
        compute(method, inputs, {**parameters, **change}, seed)


def test_inputs_that_are_not_of_the_method_are_refused():
    inputs, parameters, _ = ASKED["knn_shapley"]
    fewer = {name: inputs[name] for name in ("points", "labels")}
    with pytest.raises(Malformed, match="it must have labels, owners, points"):
        compute("knn_shapley", fewer, parameters)
    for wrong in (inputs["points"].astype(str), inputs["points"] > 0, [[1j]]):
        with pytest.raises(Malformed, match="points"):
            compute("knn_shapley", {**inputs, "points": wrong}, parameters)


def test_value_that_no_unit_can_hold_is_refused():
    own = {
        "huge": Method(
            {}, (), seeded=False, work=lambda *_: Outcome(np.array([0.0, 1e7]))
        )
    }
    with pytest.raises(Malformed, match=r"member 1 is 1e\+07"):
        compute("huge", {}, {}, methods=own)
