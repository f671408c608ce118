"""What is on the price list stays its owner's, until the owner takes it off."""

from dataclasses import replace

import pytest

from coopera.errors import (
    AccountClosed,
    Malformed,
    NotAllowed,
    PartsExceedWhole,
    UnknownAccount,
    UnknownRecord,
)
from coopera.protocol.commands import OPERATOR
from coopera.protocol.listing import (
    Agent,
    DataType,
    Gpu,
    ListAgent,
    ListData,
    ListGpu,
    ListModel,
    Model,
    Retire,
)
from coopera.protocol.money import CloseAccounts
from coopera.units import WAD, MicroUsd, Wad


def test_model_is_changed_for_its_owner_alone(world):
    world.refuses(NotAllowed, ListModel("own", "creator:dev", 1, 1))
    world.refuses(NotAllowed, ListModel("own", "", 1, 1))
    world.refuses(NotAllowed, ListModel("open", "creator:dev", 1, 1))
    world.do(ListModel("own", "creator:ann", 1, 2, 5))
    found = world.state.record(Model, "own")
    assert found == Model("own", "creator:ann", MicroUsd(1), MicroUsd(2), Wad(5))


def test_agent_is_changed_by_its_creator_alone(world):
    theirs = ListAgent("writer", "creator:dev", "own", 1, 1)
    world.refuses(NotAllowed, theirs)
    world.refuses(NotAllowed, theirs, "creator:dev")
    world.refuses(NotAllowed, replace(theirs, creator="creator:eve"), "creator:dev")
    mine = replace(theirs, creator="creator:eve", developer="creator:dev")
    world.do(mine, "creator:eve")
    found = world.state.record(Agent, "writer")
    assert (found.input_price, found.developer) == (1, "creator:dev")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"id": ""}, Malformed),
        ({"id": "A"}, Malformed),
        ({"id": "a:b"}, Malformed),
        ({"owner": "supplier:gpu-1"}, Malformed),
        ({"owner": "ann"}, Malformed),
        ({"fraction": -1}, Malformed),
        ({"fraction": True}, Malformed),
        ({"fraction": "0.2"}, Malformed),
        ({"fraction": 0.2}, Malformed),
        ({"fraction": WAD + 1}, Malformed),
        ({"fraction": 2**64}, Malformed),
        ({"fraction": 9 * WAD // 10 + 1}, PartsExceedWhole),
        ({"fraction": WAD}, PartsExceedWhole),
        ({"owner": "creator:nobody"}, UnknownAccount),
    ],
)
def test_model_with_one_bad_field_is_refused(world, changes, refusal):
    listing = ListModel("new", "creator:ann", 1, 1, 9 * WAD // 10)

    world.refuses(refusal, replace(listing, **changes))
    world.do(listing)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"id": ""}, Malformed),
        ({"creator": ""}, Malformed),
        ({"creator": "consumer:alice"}, Malformed),
        ({"developer": "supplier:gpu-1"}, Malformed),
        ({"developer": "dev"}, Malformed),
        ({"model": "nothing"}, UnknownRecord),
        ({"model": None}, UnknownRecord),
        ({"creator": "creator:nobody"}, UnknownAccount),
        ({"developer": "creator:nobody"}, UnknownAccount),
    ],
)
def test_agent_with_one_bad_field_is_refused(world, changes, refusal):
    listing = ListAgent("new", "creator:eve", "own", 1, 1, "creator:dev")

    world.refuses(refusal, replace(listing, **changes))
    world.do(listing)


def test_closed_creator_lists_nothing(world):
    gone = "creator:tool-1"
    world.do(CloseAccounts(gone))
    world.refuses(AccountClosed, ListModel("new", gone, 1, 1))
    world.refuses(AccountClosed, ListAgent("new", gone, "own", 1, 1))
    world.refuses(AccountClosed, ListAgent("new", "creator:eve", "own", 1, 1, gone))


@pytest.mark.parametrize("name", ["", "A", "a b", None, 5])
def test_nothing_is_listed_under_no_name(world, name):
    world.refuses(Malformed, ListGpu(name, 1))
    world.refuses(Malformed, ListData(name, 1))


def test_price_of_a_type_is_the_latest(world):
    world.do(ListGpu("a100", 7))
    world.do(ListData("text", 0))

    assert world.state.record(Gpu, "a100") == Gpu("a100", MicroUsd(7))
    assert world.state.record(DataType, "text") == DataType("text", MicroUsd(0))


# Open models, and templates


@pytest.mark.parametrize("fraction", [None, 0])
def test_open_model_leaves_nothing_to_an_owner(world, fraction):
    world.do(ListModel("new", "", 1, 1, fraction))
    assert world.state.record(Model, "new").fraction == 0


@pytest.mark.parametrize("fraction", [1, -1, -5, WAD // 5, WAD, True, False, 0.0, "0"])
def test_open_model_with_a_part_for_nobody_is_refused(world, fraction):
    world.refuses(Malformed, ListModel("new", "", 1, 1, fraction))


@pytest.mark.parametrize("caller", [OPERATOR, "creator:eve"])
@pytest.mark.parametrize("developer", ["", "creator:ann", "creator:eve"])
def test_template_s_developer_keeps_its_part(world, caller, developer):
    world.refuses(
        NotAllowed, ListAgent("writer", "creator:eve", "own", 1, 1, developer), caller
    )
    world.do(ListAgent("writer", "creator:eve", "own", 1, 1, "creator:dev"), caller)


def test_agent_may_be_put_on_a_template_later_and_stays_on_it(world):
    on = ListAgent("plain", "creator:eve", "open", 1, 1, "creator:dev")
    world.do(on)
    assert world.state.record(Agent, "plain").developer == "creator:dev"
    world.refuses(NotAllowed, replace(on, developer=""))


def test_creator_of_an_agent_changes_its_model(world):
    world.do(ListAgent("writer", "creator:eve", "open", 1, 1, "creator:dev"))
    assert world.state.record(Agent, "writer").model == "open"


# Off the list


RETIRE = Retire("agent", "writer", "creator:eve")


@pytest.mark.parametrize(
    ("command", "kind", "caller"),
    [
        (RETIRE, Agent, OPERATOR),
        (RETIRE, Agent, "creator:eve"),
        (Retire("model", "own", "creator:ann"), Model, OPERATOR),
        (Retire("model", "own", "creator:ann"), Model, "creator:ann"),
        (Retire("model", "open", ""), Model, OPERATOR),
    ],
)
def test_owner_takes_off_what_it_listed_for_good(world, command, kind, caller):
    was = world.state.record(kind, command.id)

    assert world.do(command, caller) == []
    assert world.state.record(kind, command.id) == replace(was, retired=True)
    world.refuses(UnknownRecord, command, caller)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"kind": ""}, Malformed),
        ({"kind": "Agent"}, Malformed),
        ({"kind": "gpu"}, Malformed),
        ({"kind": "hold"}, Malformed),
        ({"kind": None}, Malformed),
        ({"kind": 5}, Malformed),
        ({"kind": "model"}, UnknownRecord),
        ({"id": "nothing"}, UnknownRecord),
        ({"id": ""}, UnknownRecord),
        ({"id": None}, UnknownRecord),
        ({"id": "own"}, UnknownRecord),
        ({"owner": "creator:dev"}, NotAllowed),
        ({"owner": "creator:ann"}, NotAllowed),
        ({"owner": ""}, NotAllowed),
        ({"owner": None}, NotAllowed),
    ],
)
def test_retirement_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(RETIRE, **changes))


@pytest.mark.parametrize("caller", ["creator:dev", "creator:ann", "consumer:alice"])
def test_nobody_retires_what_is_another_s(world, caller):
    world.refuses(NotAllowed, RETIRE, caller)
    world.refuses(NotAllowed, replace(RETIRE, owner=caller), caller)
    world.refuses(NotAllowed, Retire("model", "open", caller), caller)
    world.refuses(NotAllowed, Retire("model", "open", ""), caller)


def test_name_of_what_was_retired_is_not_given_again(world):
    world.do(RETIRE)
    world.do(Retire("model", "own", "creator:ann"))

    again = ListAgent("writer", "creator:eve", "open", 1, 1, "creator:dev")
    world.refuses(NotAllowed, again)
    world.refuses(NotAllowed, replace(again, creator="creator:ann"))
    world.refuses(NotAllowed, ListModel("own", "creator:ann", 1, 1))
    world.refuses(NotAllowed, ListModel("own", "", 1, 1))


def test_agent_is_not_listed_on_a_retired_model(world):
    world.do(Retire("model", "own", "creator:ann"))
    listing = ListAgent("writer", "creator:eve", "own", 1, 1, "creator:dev")
    world.refuses(UnknownRecord, listing)
    world.refuses(UnknownRecord, replace(listing, id="new"))
    world.do(replace(listing, model="open"))
