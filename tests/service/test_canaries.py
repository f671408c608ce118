"""Canaries are on the disk before the books are told, and each is used once."""

import json

import pytest

from coopera.errors import Unreadable
from coopera.protocol.validation import canary_digest
from coopera.service.market.canaries import Canaries, Prepared, prepare
from coopera.store import StoreFailed


def work(n, *, passed=True):
    return Prepared("training", "training", f"{n:064x}", 10, 2_000_000, passed)


def handed_out(canaries):
    given = canaries.next()
    assert given is not None
    return given


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "canaries.jsonl"
    prepare(path, *(work(n, passed=n % 2 == 0) for n in range(4)))
    return path


def test_each_is_handed_out_once_with_a_salt_of_its_own(path):
    canaries = Canaries(path)
    given = [handed_out(canaries) for _ in range(4)]
    assert canaries.next() is None
    assert [each.root for each in given] == [work(n).root for n in range(4)]
    assert len({each.id for each in given}) == 4
    for n, each in enumerate(given):
        passed, salt = canaries.outcome(each.id) or (None, "")
        assert passed is (n % 2 == 0)
        assert each.digest == canary_digest(each.id, salt, passed=passed)
    assert canaries.outcome("somebody-elses") is None


def test_what_was_handed_out_is_known_after_a_restart(path):
    first = Canaries(path)
    given = [handed_out(first) for _ in range(2)]
    again = Canaries(path)
    again.recall(lambda _: True)
    assert [again.outcome(each.id) for each in given] == [
        first.outcome(each.id) for each in given
    ]
    assert handed_out(again).root == work(2).root


def test_what_was_never_posted_is_handed_out_again(path):
    given = [handed_out(Canaries(path))]
    again = Canaries(path)
    given.append(handed_out(again))
    again.recall(lambda name: name == given[1].id)
    assert again.next() == given[0]
    assert handed_out(again).root == work(2).root
    again.recall(lambda _: True)
    assert handed_out(again).root == work(3).root


def test_books_that_cannot_be_asked_lose_no_canary(path):
    canaries = Canaries(path)
    given = canaries.next()

    def fails(_):
        raise StoreFailed("the cable was cut")

    with pytest.raises(StoreFailed):
        canaries.recall(fails)
    canaries.recall(lambda _: False)
    assert canaries.next() == given


def test_canaries_may_be_prepared_while_others_are_posted(path):
    canaries = Canaries(path)
    for _ in range(4):
        assert canaries.next()
    assert canaries.next() is None
    prepare(path, work(7))
    assert handed_out(canaries).root == work(7).root
    assert len(path.read_text().splitlines()) == 10


@pytest.mark.parametrize("cut", [1, 30, 90])
def test_line_that_a_crash_cut_short_was_never_posted(path, cut):
    first = Canaries(path)
    kept = handed_out(first)
    first.next()
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    canaries = Canaries(path)
    assert canaries.outcome(kept.id)
    assert handed_out(canaries).root == work(1).root
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert len(path.read_text().splitlines()) == 6


def test_file_is_its_owners_alone(path):
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(Unreadable, match="chmod 600"):
        Canaries(path)


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="cannot be read"):
        Canaries(tmp_path / "nothing")


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "nothing",
        '{"posted": 9, "id": "x", "salt": "y"}',
        '{"posted": 1, "id": "x"}',
        '{"pipeline":"p","kind":"k","root":"short","units":1,"price":1,"passed":true}',
        '{"pipeline":"p","kind":"k","root":"%s","units":0,"price":1,"passed":true}'
        % ("ab" * 32),
        '{"pipeline":"p","kind":"k","root":"%s","units":1,"price":1,"passed":true,"a":1}'
        % ("ab" * 32),
    ],
)
def test_line_that_is_no_canary_is_refused_by_its_number(path, line):
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(Unreadable, match=r"line 5 of"):
        Canaries(path)
