"""Settings of all tests."""

import os
import random
import signal

# Small problems are fastest on one thread, and two test processes side by side do not
# wait for each other then. Before torch and numba are imported.
for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

# Time limits per example say more about the machine than about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


def pytest_runtest_setup(item):
    """Every test draws the same numbers, whichever tests ran before it."""
    torch.manual_seed(0)
    # PyG names the code that it generates by Python's generator: two tests that left it
    # in one state would get each other's.
    random.seed(item.nodeid)
    # A shell that starts the tests in the background has them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def graph_files(tmp_path_factory):
    """Tables of three tiny graphs, for the trainings that are attacked."""
    from attacked_runs import write_graphs  # Beside the tests that ask for it.

    return write_graphs(tmp_path_factory.mktemp("graphs"))
