"""Settings of all tests."""

import torch
from hypothesis import settings

# Time limits per example say more about the machine than about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


def pytest_runtest_setup(item):
    """Every test draws the same numbers, whichever tests ran before it."""
    torch.manual_seed(0)
