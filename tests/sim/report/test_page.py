"""The page is one sound file that asks for nothing, whatever it is given."""

import base64
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from coopera.sim.report import write_comparison, write_report

VOID = {"meta", "img", "wbr"}

PICTURES = {
    "price.png",
    "reserves.png",
    "demand.png",
    "income.png",
    "earnings.png",
    "suppliers.png",
    "supply.png",
    "emission.png",
}


class Page(HTMLParser):
    """Elements of a page, its text, and what is left open."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.open = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def read(files):
    return Page(files[-1].read_text("utf-8"))


@pytest.fixture(scope="module")
def report(minimal, tmp_path_factory):
    return write_report(minimal, tmp_path_factory.mktemp("report"), "A <small> world")


@pytest.fixture(scope="module")
def page(report):
    return read(report)


@pytest.fixture(scope="module")
def hostile_page(hostile, tmp_path_factory):
    return read(write_report(hostile, tmp_path_factory.mktemp("hostile"), "x"))


def test_files_are_those_that_are_said(report):
    assert {each.name for each in report} == {*PICTURES, "report.html"}
    assert {*report[0].parent.iterdir()} == {*report}


def test_page_closes_what_it_opens(page):
    assert page.open == []
    assert len(page.of("html")) == len(page.of("h1")) == 1


def test_page_holds_every_picture(report, page):
    start = "data:image/png;base64,"
    sources = [each["src"] for each in page.of("img")]
    assert all(each.startswith(start) for each in sources)
    embedded = [base64.b64decode(each.removeprefix(start)) for each in sources]
    assert embedded == [each.read_bytes() for each in report[:-1]]


def test_pictures_are_told_in_words(page):
    assert all(each["alt"] for each in page.of("img"))
    assert len(page.of("figcaption")) == len(PICTURES)


def test_page_refers_to_nothing_outside(report, page):
    links = [each["href"] for each in page.of("a")]
    places = {each["id"] for _, each in page.elements if "id" in each}
    assert links
    assert {each.removeprefix("#") for each in links} <= places
    text = report[-1].read_text("utf-8")
    for word in ("<script", "<link", "<iframe", "http:", "https:", "url(", "@import"):
        assert word not in text


def test_contents_lead_to_every_picture_and_part(page):
    linked = {each["href"] for each in page.of("a")}
    assert {f"#{name.removesuffix('.png')}" for name in PICTURES} <= linked
    assert {"#settings", "#reproduce"} <= linked


def test_hostile_title_is_text(page):
    assert "A <small> world" in page.text
    assert page.of("small") == []


def test_hostile_names_are_text(hostile_page):
    assert "<script>alert(1)</script>" in hostile_page.text
    assert hostile_page.of("script") == []
    assert hostile_page.open == []


def test_hostile_names_stay_text_in_a_comparison(minimal, hostile, tmp_path):
    page = read(write_comparison(hostile, minimal, ("<script>", "$x$ & y"), tmp_path))
    assert page.of("script") == []
    assert "<script> and $x$ & y" in page.text


def test_report_is_the_same_every_time(minimal, report, tmp_path):
    again = write_report(minimal, tmp_path, "A <small> world")
    assert [each.read_bytes() for each in again] == [
        each.read_bytes() for each in report
    ]


def test_drawing_is_imported_when_it_is_needed():
    program = (
        "import sys, coopera.sim.report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from coopera.sim.report import single, comparison\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603 - ours
