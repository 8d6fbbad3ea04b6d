import subprocess
import sys

import numpy as np
import pytest
import torch

from pyg_ibmea.train import (
    Objective,
    Options,
    _training,
    encode_entities,
    evaluation,
)
from pyg_ibmea.train._memory import peak_rss_mib
from pyg_ibmea.train._memory_log import MemoryLog


def test_peak_grows_by_what_is_touched():
    before = peak_rss_mib()
    block = np.ones(64 * 2**20, dtype=np.uint8)
    grown = peak_rss_mib() - before
    # Memory freed before may be used again, so the peak grows by at most the block.
    assert 0 <= grown < 80
    assert peak_rss_mib() > block.nbytes / 2**20


_MALLOC_TWICE = """
import resource
import numpy as np
from pyg_ibmea.train._memory import keep_freed_memory
print(keep_freed_memory() if {keep} else True)
faults = []
for _ in range(3):
    np.ones(48 * 2**20, dtype=np.uint8)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[2] - faults[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the faults of Linux")
def test_a_freed_block_is_handed_out_again_without_page_faults():
    def faults(keep):
        code = _MALLOC_TWICE.format(keep=keep)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        managed, count = done.stdout.split()
        if managed != "True":
            pytest.skip("this C library has no mallopt")
        return int(count)

    kept, given_back = faults(True), faults(False)
    assert kept < 10
    assert given_back > 20


_RESIDENT = """
import resource
from pathlib import Path
import numpy as np
from pyg_ibmea.train._memory import keep_freed_memory, release_freed_memory
def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
managed = keep_freed_memory()
block = np.ones(96 * 2**20, dtype=np.uint8)
above = np.ones(8 * 2**20, dtype=np.uint8)  # The end of the heap stays in use.
del block
freed = resident()
print(managed and release_freed_memory(), freed - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_kept_can_be_handed_back():
    done = subprocess.run(
        [sys.executable, "-c", _RESIDENT], capture_output=True, text=True, check=True
    )
    managed, released = done.stdout.split()
    if managed != "True":
        pytest.skip("this C library has no mallopt or malloc_trim")
    assert 90 < float(released) < 130


def test_every_epoch_and_every_encoding_begins_with_handing_back(
    data, model, monkeypatch
):
    calls = []
    for module in (_training, evaluation):
        monkeypatch.setattr(
            module, "release_freed_memory", lambda m=module: calls.append(m)
        )
    options = Options.of(graph_channels=16, modal_channels=8)
    objective = Objective.from_options(options.loss, model.modalities)
    training = _training.Training(data, model, objective, options, MemoryLog())
    training.train_epoch()
    assert calls == [_training]
    ids = torch.arange(9)
    encode_entities([model, model], data, dict.fromkeys(data.node_types, ids))
    # Before each model, and before the views are joined.
    assert calls == [_training, *[evaluation] * 3]
