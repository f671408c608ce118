"""
The formula book: every rule of the papers as exact integers, one chapter a file.

A formula is pure and scalar. Its docstring gives the paper's equation, the rounding
and its reason, the source, and a worked example. It has preconditions, which are
asserted, and never refuses: only transitions refuse.
"""
