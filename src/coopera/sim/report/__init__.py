"""
What a simulation says, for people: pictures, and a page that holds them.

`outcomes` are the figures and `wording` is how they are written; `settings` and
`provenance` say what they came from. `charts` draws, `pictures`, `sankey` and `design`
choose what; `page` writes HTML; `single` and `comparison` put all together.
"""

from pathlib import Path

from coopera.sim.run import Result


def write_report(result: Result, folder: Path, title: str) -> list[Path]:
    """Write the pictures and `report.html` into a folder, and say which files."""
    # Matplotlib takes a good part of a second to import: only who draws waits for it.
    from coopera.sim.report.single import write  # noqa: PLC0415

    return write(result, folder, title)


def write_comparison(
    left: Result, right: Result, names: tuple[str, str], folder: Path
) -> list[Path]:
    """Write the pictures and `comparison.html` of two runs, and say which files."""
    from coopera.sim.report.comparison import write  # noqa: PLC0415

    return write(left, right, names, folder)
