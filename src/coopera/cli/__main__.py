"""Run as `python -m coopera.cli`."""

from coopera.cli import main

main()
