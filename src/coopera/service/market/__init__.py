"""
The market as the network runs it: who gets a job, who checks it, and how it ends.

`market` says which commands follow from the books as they stand; the one writer gives
them, in the same commit as what they follow from. `matching` has the tasks that wait
and the resources that they get, `judging` the work that is delivered and its panels,
and `whys` tells everybody why they wait. `reading` reads the books for the scheduler.
What is secret is kept in files: `links` of the beacon, and `canaries`.
"""

from coopera.service.market.market import Market

__all__ = ["Market"]
