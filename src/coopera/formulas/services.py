"""
What AI services cost, and how a fee is split among those who made them possible.

Follows "LaunchPad", "Agent API", "Model Serving API" and "Model Training Value Flow" of
the [value network paper][mvn].

[mvn]: ../../docs/papers/mvn.md
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from coopera.units import MICRO, WAD, MicroUsd, Rounding, Wad, mul_div

HOUR: Final = 3600
"""Seconds."""


class AgentSplit(NamedTuple):
    """Parts of an agent call's fee; they sum to the fee."""

    launchpad_tax: MicroUsd
    template: MicroUsd
    """To the developer of the agent's template."""
    tools: MicroUsd
    """To the providers of tools, in proportion to calls."""
    serving: MicroUsd
    """To be split again, as any fee for serving a model."""
    creator: MicroUsd
    """To the creator of the agent: the rest."""


class ServingSplit(NamedTuple):
    """Parts of a fee for serving a model; they sum to the fee."""

    platform_tax: MicroUsd
    model: MicroUsd
    """To the owner of the model; nothing for an open one."""
    compute: MicroUsd
    """To the suppliers of compute: the rest."""


class TrainingSplit(NamedTuple):
    """Parts of a training fee; they sum to the fee."""

    platform_tax: MicroUsd
    suppliers: MicroUsd
    """To compute suppliers and data contributors: the rest."""


class TaxSplit(NamedTuple):
    """Parts of a launchpad payment; they sum to the payment."""

    launchpad_tax: int
    rest: int
    """To whom the payment is for."""


def prompt_fee(
    input_tokens: int, output_tokens: int, input_price: MicroUsd, output_price: MicroUsd
) -> MicroUsd:
    """
    Price a call of an agent or a model by the length of what it read and wrote.

    $$Fee = Ti * Pt_{in} + To * Pt_{out}$$

    Prices are dollars for a million prompt tokens. Rounds up: the network collects.

    Source: docs/papers/mvn.md#agent-api-value-flow, where the arguments are _Ti_, _To_
    and _Pt_, one price for both.

    1,200 prompt tokens in and 800 out, at $3 and $15 a million:

    >>> prompt_fee(1200, 800, MicroUsd(3_000000), MicroUsd(15_000000))
    15600
    """
    assert input_tokens >= 0
    assert output_tokens >= 0
    assert input_price >= 0
    assert output_price >= 0
    # {uUSD} = {prompt token} * {uUSD/M prompt token} / {prompt token/M prompt token}
    used = input_tokens * input_price + output_tokens * output_price
    return MicroUsd(-(-used // MICRO))


def agent_split(
    fee: MicroUsd,
    launchpad_tax: Wad,
    template_fraction: Wad,
    tools_fraction: Wad,
    serving_fraction: Wad,
) -> AgentSplit:
    """
    Split the fee of an agent call.

    Launchpad, template side and serving are parts of the fee, tools a part of the
    template side. The tax rounds up, since the network collects it; the others round
    down, and the creator keeps the rest, so that the parts sum to the fee.

    Source: docs/papers/mvn.md#agent-api-value-flow.

    A fee of $1.00: 5 % tax, 10 % template side of which 30 % tools, 50 % serving.

    >>> tuple(agent_split(MicroUsd(1_000000), *(Wad(n * WAD // 100) for n in
    ...     (5, 10, 30, 50))))
    (50000, 70000, 30000, 500000, 350000)
    """
    assert launchpad_tax + template_fraction + serving_fraction <= WAD
    assert 0 <= tools_fraction <= WAD
    # {uUSD} = {uUSD} * {1} / {1}, five times
    tax = mul_div(fee, launchpad_tax, WAD, Rounding.CEIL)
    side = mul_div(fee, template_fraction, WAD, Rounding.FLOOR)
    tools = mul_div(side, tools_fraction, WAD, Rounding.FLOOR)
    serving = mul_div(fee, serving_fraction, WAD, Rounding.FLOOR)
    return AgentSplit(
        MicroUsd(tax),
        MicroUsd(side - tools),
        MicroUsd(tools),
        MicroUsd(serving),
        MicroUsd(fee - tax - side - serving),
    )


def serving_split(
    fee: MicroUsd, platform_tax: Wad, model_fraction: Wad
) -> ServingSplit:
    """
    Split a fee for serving a model.

    The tax rounds up, the model's part down, and the suppliers of compute keep the
    rest. The part of an open model is zero.

    Source: docs/papers/mvn.md#model-serving-api-value-flow.

    $0.50 for a model whose owner takes 20 %, taxed by 10 %:

    >>> tuple(serving_split(MicroUsd(500000), Wad(WAD // 10), Wad(WAD // 5)))
    (50000, 100000, 350000)
    """
    assert platform_tax + model_fraction <= WAD
    # {uUSD} = {uUSD} * {1} / {1}, twice
    tax = mul_div(fee, platform_tax, WAD, Rounding.CEIL)
    model = mul_div(fee, model_fraction, WAD, Rounding.FLOOR)
    return ServingSplit(MicroUsd(tax), MicroUsd(model), MicroUsd(fee - tax - model))


def training_compute_fee(
    prices: Sequence[MicroUsd], gpu_seconds: Sequence[int], gpu_ratio: Wad
) -> MicroUsd:
    r"""
    Price the compute of a training.

    $$R_g \sum_k P_g(k) * T_g(k)$$

    Prices are dollars an hour. Rounds up: the network collects.

    Source: docs/papers/mvn.md#model-training-value-flow, where `gpu_ratio` is _Rg_.

    Half an hour at $2.50 and a quarter at $4:

    >>> training_compute_fee((MicroUsd(2_500000), MicroUsd(4_000000)), (1800, 900), WAD)
    2250000
    """
    # {uUSD} = {uUSD/h} * {s} * {1} / ({s/h} * {1})
    used = sum(p * t for p, t in zip(prices, gpu_seconds, strict=True))
    return MicroUsd(mul_div(used, gpu_ratio, HOUR * WAD, Rounding.CEIL))


def training_data_fee(
    prices: Sequence[MicroUsd], units: Sequence[int], data_ratio: Wad
) -> MicroUsd:
    r"""
    Price the data of a training.

    $$R_d \sum_m P_d(m) * N_d(m)$$

    Rounds up: the network collects.

    Source: docs/papers/mvn.md#model-training-value-flow, where `data_ratio` is _Rd_.

    >>> training_data_fee((MicroUsd(60000), MicroUsd(20000)), (100, 50), Wad(WAD // 2))
    3500000
    """
    # {uUSD} = {uUSD/unit} * {unit} * {1} / {1}
    used = sum(p * n for p, n in zip(prices, units, strict=True))
    return MicroUsd(mul_div(used, data_ratio, WAD, Rounding.CEIL))


def training_weights(
    prices: Sequence[MicroUsd],
    gpu_seconds: Sequence[int],
    gpu_ratio: Wad,
    data_prices: Sequence[MicroUsd],
    units: Sequence[int],
    data_ratio: Wad,
) -> tuple[int, ...]:
    """
    Weigh the suppliers of a training by their own part of its fee.

    Compute first, then data. Exact: no division; prices of hours and of units are made
    comparable by multiplying the data side by the seconds of an hour.

    Source: docs/papers/mvn.md#model-training-value-flow; the page leaves the split
    open, see docs/readings.md#fees.

    An hour at $1 weighs as much as a unit of data at $1:

    >>> compute, data = training_weights(
    ...     (MicroUsd(1_000000),), (3600,), WAD, (MicroUsd(1_000000),), (1,), WAD)
    >>> compute == data
    True
    """
    compute = [p * t * gpu_ratio for p, t in zip(prices, gpu_seconds, strict=True)]
    data = [p * n * data_ratio * HOUR for p, n in zip(data_prices, units, strict=True)]
    return (*compute, *data)


def training_split(fee: MicroUsd, platform_tax: Wad) -> TrainingSplit:
    """
    Split a training fee between the platform and those who supplied it.

    The tax rounds up: the network collects. The suppliers keep the rest.

    Source: docs/papers/mvn.md#model-training-value-flow.

    >>> tuple(training_split(MicroUsd(2_250001), Wad(WAD // 10)))
    (225001, 2025000)
    """
    # {uUSD} = {uUSD} * {1} / {1}
    tax = mul_div(fee, platform_tax, WAD, Rounding.CEIL)
    return TrainingSplit(MicroUsd(tax), MicroUsd(fee - tax))


def launchpad_split(value: int, launchpad_tax: Wad) -> TaxSplit:
    """
    Take the launchpad's tax from a payment: to create, to stake, to buy, to sell.

    The tax rounds up: the network collects. Micro-dollars or micro-tokens, as paid.

    Source: docs/papers/coa.md#taxation, where the rate is 1 %.

    >>> tuple(launchpad_split(1_000000, Wad(WAD // 100)))
    (10000, 990000)
    """
    # {u} = {u} * {1} / {1}
    tax = mul_div(value, launchpad_tax, WAD, Rounding.CEIL)
    return TaxSplit(tax, value - tax)
