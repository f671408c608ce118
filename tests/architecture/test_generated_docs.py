"""Documents say what the code says: generated tables, and the tree of refusals."""

import inspect
import runpy
from pathlib import Path

import pytest

from coopera import errors

ROOT = Path(__file__).parents[2]
GENERATED = runpy.run_path(str(ROOT / "scripts" / "write_docs.py"))["documents"]()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_document_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == GENERATED[path], (
        "run: .venv/bin/python scripts/write_docs.py"
    )


def test_every_refusal_is_drawn_and_has_a_code_of_its_own() -> None:
    refusals = [
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.Refusal)
    ]
    drawn = inspect.getdoc(errors) or ""
    codes = [cls.code for cls in refusals if "code" in vars(cls)]

    assert all(cls.__name__ in drawn for cls in refusals)
    assert len(set(codes)) == len(codes)
    assert all("code" in vars(cls) or cls.__subclasses__() for cls in refusals)
