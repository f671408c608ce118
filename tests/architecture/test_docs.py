"""What the documents point at exists, and no file speaks of one machine."""

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
IGNORED = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
GENERATED = {".git"} | {line.strip("/") for line in IGNORED if line.endswith("/")}

FENCE = re.compile(r"^ *(```+|~~~+)[^\n]*\n(.*?)^ *\1[^\n]*$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(`+)([^`].*?)\1")
LINK = re.compile(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?", re.MULTILINE)
HTML_LINK = re.compile(r"<\w+[^>]*\b(?:href|src)=\"([^\"]+)\"")
HTML_ANCHOR = re.compile(r"<\w+[^>]*\b(?:id|name)=\"([^\"]+)\"")
HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
CITATION = re.compile(r"docs/[\w./-]+?\.md(?:#[\w-]+)?")
TARGET = re.compile(r"^([a-z]\w*):", re.MULTILINE)

PERSONAL_PATH = re.compile(r"(?<![\w.*-])/(?:home|root|work|Users)/")
REGISTRIES = [
    ".".join(name)
    for name in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    ]
]


def slug(heading: str) -> str:
    """Name the anchor of a heading as GitHub does."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"<[^>]+>", "", text)
    text = re.sub(r"(?<!\w)_+([^_]+)_+(?!\w)", r"\1", text)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(markdown: str) -> set[str]:
    """List the anchors of a document; a heading met again gets a number."""
    prose = FENCE.sub("", markdown)
    found = set(HTML_ANCHOR.findall(prose))
    seen: Counter[str] = Counter()
    for heading in HEADING.findall(prose):
        name = slug(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def links(markdown: str) -> list[str]:
    """List the targets within this repository."""
    prose = CODE.sub("", FENCE.sub("", markdown))
    targets = [
        target
        for pattern in (LINK, REFERENCE, HTML_LINK)
        for target in pattern.findall(prose)
    ]
    return [target for target in targets if not SCHEME.match(target)]


def is_broken(target: str, document: Path) -> bool:
    """Tell whether a link in the document leads nowhere."""
    path, _, anchor = unquote(target).partition("#")
    file = (document.parent / path).resolve() if path else document
    if path.startswith("/") or not file.is_relative_to(ROOT) or not file.exists():
        return True
    if not anchor or file.suffix != ".md":
        return False
    return anchor not in anchors(file.read_text(encoding="utf-8"))


def commands(markdown: str) -> list[str]:
    """List the lines of code in a document, one command each."""
    blocks = [code for _, code in FENCE.findall(markdown)]
    spans = [code for _, code in CODE.findall(FENCE.sub("", markdown))]
    lines = "\n".join([*blocks, *spans]).splitlines()
    return [
        command.strip().removeprefix("$ ")
        for line in lines
        for command in re.split(r"&&|;", line.partition("#")[0])
    ]


def make_targets(markdown: str) -> set[str]:
    """Collect what a document asks make for."""
    return {
        word
        for command in commands(markdown)
        if command.startswith("make ")
        for word in command.split()[1:]
        if "=" not in word and not word.startswith("-")
    }


def text_files() -> Iterator[tuple[str, str]]:
    """Read the files that people wrote, leaving out what git ignores."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - GENERATED)
        for path in (Path(folder, name) for name in names):
            with contextlib.suppress(UnicodeDecodeError):  # pictures
                yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Supplier Bonds", "supplier-bonds"),
        ("4.2 Price of the token: `P[t]`", "42-price-of-the-token-pt"),
        ("Buy-back & burn", "buy-back--burn"),
        ("The _Dollar_ reserve of `token_price`", "the-dollar-reserve-of-token_price"),
        ("See [the book](book.md)", "see-the-book"),
    ],
)
def test_anchor_of_a_heading(heading, anchor):
    assert slug(heading) == anchor


def test_heading_in_a_code_block_is_no_heading():
    assert anchors("# One\n```sh\n# two\n```\n# One\n") == {"one", "one-1"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_a_document_lead_somewhere(document):
    markdown = document.read_text(encoding="utf-8")
    broken = [link for link in links(markdown) if is_broken(link, document)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("target", ["gone.md", "/LICENSE", "#gone", "../"])
def test_link_that_leads_nowhere_is_noticed(target):
    assert is_broken(target, ROOT / "CONTRIBUTING.md")


def test_documents_cited_in_the_code_exist():
    broken = [
        f"{path.relative_to(ROOT)}: {citation}"
        for suffix in ("py", "toml")
        for path in sorted(ROOT.glob(f"src/**/*.{suffix}"))
        for citation in CITATION.findall(path.read_text(encoding="utf-8"))
        if is_broken(citation, ROOT / "README.md")
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_make_targets_of_a_document_exist(name):
    targets = TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    assert make_targets((ROOT / name).read_text(encoding="utf-8")) <= set(targets)


def test_make_targets_are_read_from_code_only():
    markdown = """To make sure: `make test`.
```sh
sudo apt install make python3
cd coopera && make PYTHON=python3.12 run  # make the world
```
"""
    assert make_targets(markdown) == {"run", "test"}


def test_files_name_no_path_of_one_machine():
    assert [name for name, text in text_files() if PERSONAL_PATH.search(text)] == []


def test_files_name_no_package_registry():
    assert [
        (name, registry)
        for name, text in text_files()
        for registry in REGISTRIES
        if registry in text
    ] == []


def test_locks_name_no_host():
    for lock in ROOT.glob("*.lock"):
        assert "://" not in lock.read_text(encoding="utf-8")
