"""Large tensors in huge pages."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_huge_pages_are_asked_for_unless_the_user_decided(before, after):
    environment = {**os.environ}
    environment.pop("THP_MEM_ALLOC_ENABLE", None)
    if before is not None:
        environment["THP_MEM_ALLOC_ENABLE"] = before
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, pyg_ibmea; print(os.environ['THP_MEM_ALLOC_ENABLE'])",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.strip() == after
