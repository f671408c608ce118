"""
What happens, to whom, and why it may be refused: pure, exact, and without a clock.

A transition takes a state, the parameters and a command, and gives a difference or
refuses. `epoch` closes a day; `invariants` are what no transition may break.
"""
