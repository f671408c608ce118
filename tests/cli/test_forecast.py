"""A forecast goes on from the books, and says what it takes from where."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.accounting.conftest import Keeper, opening, write_story

from coopera.accounting.history import _sold, days_seen
from coopera.protocol.books import CURRENT, Settings, read_settings
from coopera.protocol.orders import Job, JobStage, Need, Task, TaskStage
from coopera.protocol.rehearsal import CloseEpoch, Sale
from coopera.service.state import SqlState
from coopera.sim.observed import Sold
from coopera.sim.output import read_result
from coopera.sim.start import start_of
from coopera.sim.start_file import read_start
from coopera.store.opening import open_store
from coopera.units import MicroUsd

DAYS = 20
FEW = ("--runs", "5", "--days", "12")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COOPERA_BOOKS", raising=False)
    return tmp_path


@pytest.fixture
def forecast(run):
    """Forecast, which must succeed: the JSON."""

    def run_(*arguments):
        code, out, err = run("forecast", *FEW, "--json", *arguments)
        assert code == 0, err
        return json.loads(out)

    return run_


@pytest.fixture
def refuses(run):
    def refuses(code, says, *arguments):
        left, out, err = run("forecast", *FEW, *arguments)
        assert (left, out) == (2, "")
        assert err.count("\n") == 1, err
        assert err.endswith(f"[{code}]\n")
        assert says in err

    return refuses


def live(url, days=DAYS):
    """Close some days of members that are only counted."""
    keeper = Keeper(url)
    keeper.give(opening())
    for day in range(days):
        sales = (
            Sale("a", "training", "demo", MicroUsd(10_000000), 20 + day % 3, 2),
            Sale("a", "serving", "demo", MicroUsd(5_000000), 40 + 2 * day, 0),
            Sale("b", "serving", "demo", MicroUsd(5_000000), 5, 0),
        )
        entered = (4, 3) if day == 0 else (0, 0)
        keeper.give(CloseEpoch(day, sales, MicroUsd(90_000000 + day), entered, (0, 0)))
    keeper.store.close()
    return url


@pytest.fixture
def url(sqlite_url):
    return live(sqlite_url)


def standing(url):
    """Where the books stand, read beside the command."""
    store = open_store(url, writes=False)
    state = SqlState(store)
    settings = state.record(Settings, CURRENT)
    assert settings is not None
    start = start_of(state, read_settings(settings.tables))
    store.close()
    return start


def test_forecast_goes_on_from_the_books_wherever_they_are(forecast, books_url):
    live(books_url)
    told = forecast("--books", books_url, "--out", "out", "--start-out", "start.json")

    start = standing(books_url)
    assert start.day == DAYS
    assert told["first_day"] == DAYS + 1
    assert told["days"] == 12
    assert read_start(Path("start.json")) == start
    assert read_start(Path("out/start.json")) == start
    result = read_result(Path("out"))
    assert result.points[0].scenario.start == start
    assert [Path(each).exists() for each in told["files"]] == [True] * 14


def test_demand_is_what_the_books_saw(forecast, url):
    seen = forecast("--books", url)["observed"]

    assert seen["days"] == DAYS
    serving, training = seen["services"]
    assert (serving["pipeline"], serving["slope"], serving["noise"]) == (
        "serving",
        "2",
        "0",
    )
    assert (training["jobs"], training["slope"]) == ("20.95", "0")
    assert training["price_usd"] == "10"
    assert seen["sentiment_usd"] == "90.00001"
    # Two of some twenty, and none of the others.
    jobs = sum(20 + day % 3 + 45 + 2 * day for day in range(DAYS))
    assert float(seen["failure_rate"]) == pytest.approx(2 * DAYS / jobs, abs=1e-6)


def test_window_is_how_far_back_it_looks(forecast, url):
    seen = forecast("--books", url, "--window", "3")["observed"]

    assert seen["days"] == 3
    serving = seen["services"][0]
    assert (serving["jobs"], serving["slope"]) == ("81", "0")


def test_rows_say_the_days_of_the_network(forecast, url):
    forecast("--books", url, "--out", "out", "--no-report")

    for name in ("quantiles", "paths"):
        days = pq.read_table(f"out/{name}.parquet", columns=["day"])["day"]
        assert sorted(set(days.to_pylist())) == list(range(DAYS + 1, DAYS + 13))


def test_what_is_printed_says_where_it_starts(run, url):
    code, out, err = run("forecast", *FEW, "--books", url)

    assert (code, err) == (0, "")
    assert out.startswith(f"the books stand before the close of day {DAYS}, day 21 of")
    assert "demand of the last 20 closed days" in out
    assert "2 a day" in out
    assert "constant" in out
    assert "day 21" in out
    assert "day 32" in out


def test_vote_is_tried_from_what_a_forecast_wrote(run, forecast, url):
    forecast("--books", url, "--out", "out", "--no-report")
    given = ("out/scenario.toml", "--start", "out/start.json", "--runs", "5", "--json")

    _, same, _ = run("simulate", *given)
    _, other, _ = run("simulate", *given, "--set", "buyback_rate=0.9")
    again = forecast("--books", url)

    same, other = json.loads(same), json.loads(other)
    assert same["points"] == again["points"]
    price = [
        each["points"][0]["last_day"]["price_usd"]["mean"] for each in (same, other)
    ]
    assert price[1] > price[0]


def test_start_is_run_on_the_exact_books(run, forecast, url):
    forecast("--books", url, "--out", "out", "--no-report")
    given = ("out/scenario.toml", "--start", "out/start.json", "--worlds", "2")

    code, out, err = run("lockstep", *given, "--json")

    assert code == 0, err
    assert max(json.loads(out)["micro_units_apart"].values()) <= 2


def test_report_of_a_forecast_says_how_to_repeat_it(run, url):
    code, _, err = run("forecast", *FEW, "--books", url, "--out", "out")
    assert code == 0, err
    page = Path("out/report.html").read_text("utf-8")

    assert "5 worlds of 12 days from day 21 on" in page
    assert "on day 21" in page
    assert "on day 32" in page
    assert "on day 1 " not in page
    assert "--start start.json" in page


def test_scenario_gives_behaviour_and_the_books_what_governance_sets(
    run, forecast, url, folder
):
    text = """
    preset = "none"
    [buyback]
    buyback_rate = 0.9
    [sentiment]
    start_usd_per_day = 7
    [consumers.c.training]
    pipeline = "training"
    start = 3
    slope = 1
    """
    (folder / "mine.toml").write_text(text, "utf-8")
    code, _, err = run("forecast", "mine.toml", *FEW, "--books", url, "--out", "o")
    assert code == 0
    assert "mine.toml sets buyback.buyback_rate, which the books govern" in err
    scenario = read_result(folder / "o").points[0].scenario

    assert scenario.params == read_settings(opening().tables)
    assert scenario.demand_mean()[0].tolist() == [3 + DAYS]
    told = forecast("mine.toml", "--books", url)
    assert "observed" not in told
    assert told["points"][0]["last_day"]["sentiment_usd"]["mean"] == 7


def test_books_that_no_day_was_closed_in_need_a_scenario(forecast, refuses, sqlite_url):
    live(sqlite_url, 0)
    refuses("inconsistent", "no day of these books is closed", "--books", sqlite_url)

    assert forecast("minimal", "--books", sqlite_url)["first_day"] == 1


def test_books_that_nobody_bought_of_need_a_scenario(refuses, sqlite_url):
    keeper = Keeper(sqlite_url)
    keeper.give(opening())
    keeper.give(CloseEpoch(0, (), MicroUsd(0), (0, 0), (0, 0)))
    keeper.store.close()

    refuses("inconsistent", "nobody paid for a job", "--books", sqlite_url)


def test_books_that_are_not_open_are_refused(refuses, sqlite_url):
    refuses("bad_books", "run: coopera books open", "--books", sqlite_url)
    refuses("bad_books", "there are no books at none.db", "--books", "none.db")


def test_scenario_of_another_network_is_refused(refuses, url, folder):
    refuses("inconsistent", "paper has the supplier kinds", "paper", "--books", url)
    (folder / "other.toml").write_text(
        'preset = "minimal"\n[projects.more.targets]\ntraining = 1\n', "utf-8"
    )
    refuses("inconsistent", "has the projects demo, more", "other.toml", "--books", url)
    (folder / "third.toml").write_text(
        'preset = "none"\n[consumers.c.s]\npipeline = "painting"\n', "utf-8"
    )
    says = "third.toml, line 3: consumers.c.s.pipeline is 'painting'; it must be one of"
    refuses("inconsistent", says, "third.toml", "--books", url)


def test_settings_that_a_start_overrules_are_refused(run, forecast, url):
    forecast("--books", url, "--start-out", "start.json")
    for setting in ("suppliers.training.initial=3", "initial_dollar_reserve_usd=5"):
        code, _, err = run(
            "simulate", "minimal", "--start", "start.json", "--set", setting
        )
        assert code == 2
        assert f"--set {setting}: with --start the first day is that of" in err


def test_comparison_of_other_days_is_refused(run, forecast, url):
    forecast("--books", url, "--out", "late", "--no-report")
    run("simulate", "minimal", "--runs", "2", "--out", "early", "--no-report")

    code, _, err = run("compare", "late", "early")

    assert code == 2
    assert "late starts on day 21 and early on day 1; simulate both from one" in err


def test_start_that_cannot_be_written_is_refused(refuses, url):
    refuses("unreadable", "cannot write", "--books", url, "--start-out", "no/x.json")


@pytest.fixture
def market(sqlite_url):
    """Books in which every command was given, and one job of a member was paid."""
    write_story(sqlite_url)
    return sqlite_url


def test_jobs_of_members_are_seen_on_the_day_they_were_settled(market):
    store = open_store(market, writes=False)
    first, second, third = days_seen(store, store.head().receipt, 28)
    store.close()

    assert first.sold == {("demo", "serving"): Sold(40, 2, 200_000000)}
    # A cancelled job and one that nobody took are no demand that was met.
    assert second.sold == {("demo", "training"): Sold(1, 0, 1_000000)}
    assert third.sold == {}
    assert [each.day for each in (first, second, third)] == [0, 1, 2]
    assert first.sentiment == 100_000000


def test_window_of_days_ends_where_it_is_told_to(market):
    store = open_store(market, writes=False)
    head = store.head().receipt
    assert [each.day for each in days_seen(store, head, 2)] == [1, 2]
    assert days_seen(store, head, 2) == days_seen(store, head, 3)[1:]
    closes = store.read("SELECT id FROM receipts WHERE kind = 'close_day'")
    assert [each.day for each in days_seen(store, closes[0][0] - 1, 9)] == [0]
    store.close()


def test_market_can_be_forecast(forecast, market):
    told = forecast("--books", market, "--out", "out", "--no-report")

    assert told["first_day"] == 4
    assert told["observed"]["days"] == 3
    start = standing(market)
    assert start.all_tokens == 1_000_000_000000
    last = told["points"][0]["last_day"]
    assert last["suppliers"]["mean"] == sum(e.count for e in start.suppliers.values())
    assert last["circulating_token"]["mean"] > 0


def test_job_that_was_called_off_counts_with_what_was_paid_of_it():
    task = Task(Need("training"), MicroUsd(4_000000), MicroUsd(0))
    done = replace(task, stage=TaskStage.VALIDATED)
    off = replace(task, stage=TaskStage.CANCELLED, price=MicroUsd(6_000000))

    def job(*tasks, stage=JobStage.REFUNDED):
        whole = MicroUsd(10_000000)
        return Job("j", "c", "p", "d", whole, MicroUsd(0), 1, 0, tasks, stage)

    assert _sold(job(done, off)) == Sold(1, 0, 4_000000)
    assert _sold(job(off, replace(off, failed=("gpu",)))) == Sold(1, 1, 10_000000)
    assert _sold(job(off)) == Sold()
    assert _sold(job(done, done, stage=JobStage.SETTLED)) == Sold(1, 0, 10_000000)
