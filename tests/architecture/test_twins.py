"""Book and kernels mirror each other, and everything says where it comes from."""

import inspect
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import coopera.formulas
from coopera.params import governed_variables
from coopera.params.declared import variables
from coopera.sim import kernels
from coopera.sim.scenario import Behaviour, Demand, Sentiment, Shock, Simulation

ROOT = Path(__file__).parents[2]

FORMULAS = {
    name: function
    for info in iter_modules(coopera.formulas.__path__, "coopera.formulas.")
    for name, function in inspect.getmembers(
        import_module(info.name), inspect.isfunction
    )
    if function.__module__ == info.name
}

NOT_SIMULATED = {"contribution", "deterrence", "royalty", "services"}
"""
Chapters that nobody simulates, so that they have no kernels.

The ledger executes them, or settings are judged by them.

A new chapter needs kernels, or is placed here by intent.
"""


def chapter(name: str) -> str:
    return FORMULAS[name].__module__.rpartition(".")[2]


WITHOUT_KERNEL = {
    "bond_worth",
    "cancellation_fee",
    "largest_remainder",
    "late_bond",
    "verdict_bond",
    "verdict_reward",
} | {name for name in FORMULAS if chapter(name) in NOT_SIMULATED}
"""
Besides those chapters, one that takes a sequence, where kernels split by share, and
those of a single consumer or validator.
"""

KERNELS = {
    name: kernel.py_func
    for name, kernel in vars(kernels).items()
    if hasattr(kernel, "py_func") and kernel.__module__ == kernels.__name__
}

WITHOUT_FORMULA = {"row", "exp"}
"""What kernels are made of."""

GOVERNED = [*governed_variables()]
DECLARED = GOVERNED + [
    variable
    for declaring in (Behaviour, Demand, Sentiment, Shock, Simulation)
    for variable in variables((declaring.__name__.lower(),), declaring)
]


def name_of(variable):
    return ".".join((*variable.chapter, variable.name))


def anchors(document: Path) -> set[str]:
    """List the anchors of the headings, as a forge of code names them."""
    markdown = document.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ +(.*)$", markdown, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - WITHOUT_KERNEL))
def test_kernel_has_the_arguments_of_its_formula(name):
    assert [*inspect.signature(KERNELS[name]).parameters] == [
        *inspect.signature(FORMULAS[name]).parameters
    ]


def test_every_kernel_has_a_formula():
    assert set(KERNELS) - WITHOUT_FORMULA == set(FORMULAS) - WITHOUT_KERNEL


def test_every_chapter_is_simulated_or_named_as_not_simulated():
    simulated = {chapter(name) for name in FORMULAS if name in KERNELS}
    chapters = {info.name for info in iter_modules(coopera.formulas.__path__)}

    assert simulated | NOT_SIMULATED == chapters
    assert not simulated & NOT_SIMULATED


@pytest.mark.parametrize("name", sorted(set(KERNELS) - WITHOUT_FORMULA))
def test_kernel_names_its_formula(name):
    formula = FORMULAS[name]
    docstring = inspect.getdoc(KERNELS[name]) or ""
    assert docstring.startswith(f"See `{formula.__module__}.{name}`")


def test_no_two_chapters_share_a_name():
    assert len(FORMULAS) == sum(
        function.__module__ == info.name
        for info in iter_modules(coopera.formulas.__path__, "coopera.formulas.")
        for _, function in inspect.getmembers(
            import_module(info.name), inspect.isfunction
        )
    )


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_formula_names_its_source_and_shows_an_example(name):
    docstring = inspect.getdoc(FORMULAS[name]) or ""
    assert "Source:" in docstring
    assert ">>>" in docstring


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_formula_says_how_it_rounds(name):
    docstring = inspect.getdoc(FORMULAS[name]) or ""
    assert re.search(r"[Rr]ound|Exact: no division", docstring)


@pytest.mark.parametrize("variable", DECLARED, ids=name_of)
def test_variable_says_what_it_is_and_where_it_comes_from(variable):
    declaration = variable.declaration
    document, hash_, anchor = declaration.source.partition("#")

    assert declaration.unit.label
    assert re.fullmatch(r"[A-Z].*[^. ]", declaration.meaning)
    assert hash_
    assert anchor in anchors(ROOT / document)


@pytest.mark.parametrize("variable", DECLARED, ids=name_of)
def test_default_of_a_variable_is_one_of_its_values(variable):
    assert variable.read(variable.written(variable.default)) == variable.default


@pytest.mark.parametrize("variable", DECLARED, ids=name_of)
def test_bounds_of_a_variable_are_whole_units(variable):
    for bound in (variable.declaration.low, variable.declaration.high):
        if bound and not variable.choices:
            assert variable.written(variable.read(bound)) == bound


def test_every_name_of_a_variable_is_its_own():
    names = Counter(
        name
        for variable in GOVERNED
        for name in {*variable.aliases, variable.declaration.paper} - {""}
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_no_variable_is_named_as_a_table():
    tables = {"simulation", "sentiment", "consumers", "suppliers", "shocks"}
    tables |= {variable.chapter[0] for variable in GOVERNED}
    assert not tables & {name for each in GOVERNED for name in each.aliases}
