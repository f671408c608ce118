"""Servers of claims."""

import pytest
from tests.api.server import Server


@pytest.fixture
def serves():
    """Start servers, which end with the test."""
    started = []

    def start(*arguments, **options):
        started.append(Server(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()
