"""What parameters permit and a careful operator would not."""

from coopera.formulas.bonding import cheating_loss
from coopera.params import Params
from coopera.units import WAD, Rounding, Wad, mul_div


def warnings(params: Params) -> tuple[str, ...]:
    """List what to think about before these parameters run a network."""
    validation = params.validation
    caught = mul_div(
        validation.validation_rate, validation.detection_rate, WAD, Rounding.FLOOR
    )
    loss = cheating_loss(
        Wad(caught), params.payments.operations_fraction, params.bonding.bond_rate
    )
    if loss >= validation.cheating_saving:
        return ()
    warning = (
        f"cheating pays: a cheat loses {loss / WAD:.2f} of a job's price on average "
        f"and saves {validation.cheating_saving / WAD:.2f}; raise bond_rate or "
        "validation_rate"
    )
    return (warning,)
