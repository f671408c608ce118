"""Exact books, formulas and simulation of the ChainOpera token economy."""

__version__ = "0.1.0"
