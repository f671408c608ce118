"""
The page that holds a report: one file that needs nothing else.

Everything that comes from users is escaped here, and nowhere else: what the functions
take is plain text, and what they give is HTML.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import NewType

from coopera.sim.report.charts import Picture, drawn, encoded

Html = NewType("Html", str)
"""Text that has been escaped."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The page asks for nothing from anywhere, and runs nothing."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page that the contents lead to."""

    anchor: str
    title: str
    body: Sequence[Html]


def write_page(
    path: Path,
    title: str,
    about: str,
    before: Sequence[Html],
    pictures: Iterable[Picture],
    after: Sequence[Section],
) -> list[Path]:
    """Write pictures beside a page, and the page that shows them between two texts."""
    written, figures = [], []
    # A picture is packed while the next one is drawn.
    with ThreadPoolExecutor(2) as pool:
        packing = [
            (each, pool.submit(encoded, drawn(each.figure))) for each in pictures
        ]
        for number, (each, data) in enumerate(packing, start=1):
            file = path.with_name(f"{each.name}.png")
            file.write_bytes(data.result())
            written.append(file)
            figures.append(_figure(each, number, data.result()))
    style = (resources.files("coopera.sim.report") / "page.css").read_text("utf-8")
    places = [
        *((each.name, each.title) for each, _ in packing),
        *((each.anchor, each.title) for each in after),
    ]
    sections = [
        text
        for each in after
        for text in (heading(2, each.title, each.anchor), *each.body)
    ]
    path.write_text(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
{heading(1, title)}{paragraph(about, "about")}{_contents(places)}
{"".join(before)}{"".join(figures)}{"".join(sections)}</body>
</html>
""",
        encoding="utf-8",
    )
    return [*written, path]


def heading(level: int, text: str, anchor: str = "") -> Html:
    """Write a heading."""
    place = f' id="{escape(anchor)}"' if anchor else ""
    return Html(f"<h{level}{place}>{escape(text)}</h{level}>\n")


def paragraph(text: str, kind: str = "") -> Html:
    """Write a paragraph."""
    mark = f' class="{escape(kind)}"' if kind else ""
    return Html(f"<p{mark}>{escape(text)}</p>\n")


def headline(sentences: Sequence[tuple[str, str]]) -> Html:
    """Write what comes first: paragraphs, each with its subject."""
    told = "".join(
        f"<p><b>{escape(subject)}.</b> {escape(text)}</p>\n"
        for subject, text in sentences
    )
    return Html(f'<section class="headline">\n{told}</section>\n')


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    figures: Sequence[int] = (),
    changed: Sequence[bool] = (),
    kind: str = "",
) -> Html:
    """Write a table; `figures` are the columns of numbers, `changed` marks rows."""

    def line(tags: Sequence[str], texts: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{number if place in figures else ''}>{_breakable(text)}</{tag[:2]}>"
            for place, (tag, text) in enumerate(zip(tags, texts, strict=True))
        )

    number, mark, count = ' class="figure"', ' class="changed"', len(columns)
    head = line(['th scope="col"'] * count, columns)
    tags = ['th scope="row"', *["td"] * (count - 1)]
    style = f' class="{escape(kind)}"' if kind else ""
    differs = [*changed, *[False] * (len(rows) - len(changed))]
    body = "".join(
        f"<tr{mark if is_changed else ''}>{line(tags, row)}</tr>\n"
        for row, is_changed in zip(rows, differs, strict=True)
    )
    return Html(
        f'<div class="scroll"><table{style}>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def code(text: str) -> Html:
    """Write lines of a program or a document."""
    return Html(f"<pre>{escape(text)}</pre>\n")


def _breakable(text: str) -> Html:
    """Let long names break between their words."""
    return Html(re.sub(r"(?<=_)|(?<=[a-z])(?=[A-Z])", "<wbr>", escape(text)))


def _contents(places: Sequence[tuple[str, str]]) -> Html:
    """Write links to the parts of the page, (anchor, text)."""
    told = "\n".join(
        f'<a href="#{escape(anchor)}">{escape(text)}</a>' for anchor, text in places
    )
    return Html(f"<nav>\n{told}\n</nav>\n")


def _figure(picture: Picture, number: int, data: bytes) -> Html:
    source = base64.b64encode(data).decode("ascii")
    height, width = (
        round(length * picture.figure.dpi)
        for length in (picture.figure.get_figheight(), picture.figure.get_figwidth())
    )
    return Html(
        f'<figure id="{escape(picture.name)}">\n'
        f'<img width="{width}" height="{height}" alt="{escape(picture.title)}" '
        f'src="data:image/png;base64,{source}">\n'
        f"<figcaption><b>Figure {number}. {escape(picture.title)}.</b> "
        f"{escape(picture.caption)}</figcaption>\n</figure>\n"
    )
