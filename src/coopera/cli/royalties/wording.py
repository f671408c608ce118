"""Units, parts and nats as people read them."""

import math

from coopera.units import WAD

DIGITS = 4
"""Of a small number, from its first one on."""


def nats(value: int) -> str:
    """
    Write nats in fixed point, with a few digits from the first one on.

    >>> nats(182_345_678_901_234_567), nats(-12_345_678_901), nats(0), nats(6 * WAD)
    ('0.1823', '-0.00000001235', '0', '6')
    """
    number = value / WAD
    if not number:
        return "0"
    digits = max(0, DIGITS - 1 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{min(digits, 18)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def part(of: int, whole: int) -> str:
    """
    Write a part of a whole as a percentage.

    >>> part(1, 3), part(0, 0), part(1, 10_000_000)
    ('33.3333%', '0%', '0.00001%')
    """
    if not of or not whole:
        return "0%"
    # As many places as show that it is not nothing.
    written = (f"{100 * of / whole:.{places}f}" for places in range(4, 15))
    text = next((each for each in written if float(each)), "0")
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}%"


def measured(value: int) -> str:
    """
    Write what was measured, in millionths of a millionth, with a few digits.

    >>> measured(12_500_000_000), measured(-1)
    ('0.0125', '-1e-12')
    """
    return f"{value / 10**12:.6g}"


def factor(value: int) -> str:
    """
    Write a number in fixed point as short as it is.

    >>> factor(WAD // 100), factor(WAD)
    ('0.01', '1')
    """
    from coopera.units import unscaled

    return str(unscaled(value, WAD))
