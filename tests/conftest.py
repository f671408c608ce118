"""
Hypothesis profiles, neither with a deadline: kernels compile on their first call.

The default draws the same examples in every run, so that the checks pass or fail
alike everywhere. To look for new failures: pytest --hypothesis-profile=thorough.
"""

from hypothesis import settings

settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile("default")
