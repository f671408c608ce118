"""
Attacks on the network, each with what it costs and brings under given parameters.

`network` keeps books in memory by the rules that real ones are kept by; `people` says
who attacks, and who gets a job; `outcome` weighs what came out. The attacks: `trading`,
`serving`, `checking`, `crowding`. `listed` has all of them, with what stops each.
"""

from coopera.attacks.listed import ATTACKS, Aim, Attack, Report, report
from coopera.attacks.outcome import Outcome

__all__ = ["ATTACKS", "Aim", "Attack", "Outcome", "Report", "report"]
