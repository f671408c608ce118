"""Every account has one line of the chart, and what is no account is refused."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import UnknownAccount
from coopera.ledger import (
    CHART,
    ROLES,
    AccountId,
    Asset,
    Side,
    account,
    accounts_of,
    kind_of,
    named_account,
    owner_of,
)
from coopera.ledger.accounts import PATH_MAX


def free(part: str) -> bool:
    return part.startswith("<")


def example(pattern: str, name: str = "gpu-7") -> str:
    return ":".join(name if free(part) else part for part in pattern.split(":"))


def test_no_path_belongs_to_two_lines():
    for one, two in combinations(CHART, 2):
        parts = one.pattern.split(":"), two.pattern.split(":")
        apart = len(parts[0]) != len(parts[1]) or any(
            not free(a) and not free(b) and a != b for a, b in zip(*parts, strict=True)
        )
        assert apart, f"{one.pattern} and {two.pattern} have a path in common"


@pytest.mark.parametrize("kind", CHART, ids=lambda kind: kind.pattern)
def test_each_line_has_its_own_accounts(kind):
    path = example(kind.pattern)

    assert kind_of(named_account(path)) is kind
    assert account(*path.split(":")) == path
    assert kind.asset in Asset


def test_each_asset_comes_from_one_account_outside():
    outside = {
        asset: [
            each.pattern
            for each in CHART
            if each.side is Side.DEBIT and each.asset is asset
        ]
        for asset in Asset
    }

    assert outside == {
        Asset.USD: ["market:usd"],
        Asset.TOKEN: ["issuance"],
        Asset.POINT: ["points:issued"],
        Asset.UNIT: ["vault:<vault>:issued"],
    }


GARBAGE = [
    "",
    ":",
    "::",
    "supplier",
    "supplier:",
    "supplier:gpu-7",
    "supplier:gpu-7:",
    "supplier::usd",
    ":gpu-7:usd",
    "supplier:gpu-7:usd:",
    ":supplier:gpu-7:usd",
    "supplier:gpu-7:usd:usd",
    "supplier:gpu-7:eur",
    "supplier:gpu-7:credit",
    "consumer:alice:usd",
    "holder:h:usd",
    "Supplier:gpu-7:usd",
    "supplier:gpu-7:USD",
    "supplier:gpu-7:usd ",
    " supplier:gpu-7:usd",
    "supplier:gpu-7:usd\n",
    "s\N{LATIN SMALL LETTER U WITH DIAERESIS}pplier:gpu-7:usd",
    "supplier:gpu-7:\N{FULLWIDTH LATIN SMALL LETTER U}sd",
    "supplier\N{FULLWIDTH COLON}gpu-7\N{FULLWIDTH COLON}usd",
    "supplier:<name>",
    "reserve:usd",
    "reserve:token:phase1:",
    "None",
    "0",
    f"supplier:{'x' * PATH_MAX}:usd",
    "x" * 10**6,
    ":" * 10**5,
]


@pytest.mark.parametrize("path", GARBAGE, ids=lambda path: ascii(path[:30]))
def test_what_is_no_account_is_refused(path):
    with pytest.raises(UnknownAccount) as refused:
        named_account(path)

    assert len(str(refused.value)) < 1000
    with pytest.raises(AssertionError):
        kind_of(AccountId(path))


@pytest.mark.parametrize(
    "name",
    [
        "\N{LATIN SMALL LETTER E WITH ACUTE}",
        "\N{FULLWIDTH LATIN SMALL LETTER A}",
        "\ud800",
        " ",
        "a b",
        "a\nb",
        "a\n",
        "a\tb",
        "\x00",
        "A",
        "-a",
        ".a",
        "_a",
        "a/b",
        "<name>",
        "x" * 65,
    ],
    ids=ascii,
)
@pytest.mark.parametrize("role", ROLES)
def test_member_s_account_under_what_is_no_name_is_refused(role, name):
    for path in accounts_of(f"{role}:{name}"):
        with pytest.raises(UnknownAccount):
            named_account(path)


@pytest.mark.parametrize("name", ["a", "0", "a.b-c_d", "9-", "x" * 64])
@pytest.mark.parametrize("role", ROLES)
def test_member_s_account_under_a_name_is_taken(role, name):
    for path in accounts_of(f"{role}:{name}"):
        assert named_account(path) == path


def test_longest_path_is_taken_and_one_longer_is_not():
    longest = f"fund:{'x' * (PATH_MAX - len('fund:'))}"

    assert named_account(longest) == longest
    with pytest.raises(UnknownAccount):
        named_account(f"{longest}x")


@given(st.text(max_size=30))
def test_text_is_an_account_or_is_refused(text):
    try:
        path = named_account(text)
    except UnknownAccount:
        return
    assert kind_of(path).matches(text)


@pytest.mark.parametrize("role", ROLES)
def test_member_owns_the_accounts_of_its_role_and_no_other(role):
    owner = f"{role}:gpu-7"

    assert accounts_of(owner)
    assert all(owner_of(path) == owner for path in accounts_of(owner))
    assert len({kind_of(path) for path in accounts_of(owner)}) == len(
        [kind for kind in CHART if kind.owned and kind.pattern.startswith(f"{role}:")]
    )


@pytest.mark.parametrize(
    "kind", [kind for kind in CHART if not kind.owned], ids=lambda kind: kind.pattern
)
def test_nobody_owns_what_is_the_network_s(kind):
    assert owner_of(AccountId(example(kind.pattern))) == ""


def test_class_of_consumers_is_no_consumer():
    assert owner_of(account("consumers", "developers", "credit")) == ""
    assert owner_of(account("consumer", "developers", "credit")) == (
        "consumer:developers"
    )


@pytest.mark.parametrize("owner", ["", "nobody:x", "reserve:x", "consumers:x"])
def test_who_has_no_role_has_no_accounts(owner):
    assert accounts_of(owner) == ()


def test_consumer_s_grants_are_apart_from_its_credits():
    assert accounts_of("consumer:alice") == (
        "consumer:alice:credit",
        "consumer:alice:grant",
    )


def test_escrow_grants_and_stakes_give_back_and_nothing_else_does():
    assert {kind.pattern for kind in CHART if kind.gives_back} == {
        "consumer:<name>:grant",
        "locked:agent:<agent>",
        "locked:data:<training>",
        "vault:<vault>:usd",
        "vault:<vault>:token",
        "locked:phase1:<project>",
        "escrow:bonds",
        "escrow:credit",
        "escrow:heldback:token",
        "escrow:stakes",
        "escrow:heldback:usd",
        "escrow:jobs",
        "escrow:withdrawals:usd",
        "escrow:withdrawals:token",
    }
