"""Tables in memory and in files."""

import gc
import os
from collections import namedtuple

import pytest
import torch

from pyg_ibmea.train._tables import Tables


def mapped_files(folder):
    """How many files in a folder this process has mapped."""
    gc.collect()
    with open("/proc/self/maps") as lines:
        return sum(str(folder) in line for line in lines)


linux = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")


@linux
@pytest.mark.parametrize("large", [399, 400])
def test_tables_above_a_size_lie_in_files_without_a_name(tmp_path, large):
    tables = Tables(tmp_path / "run", large)
    table = torch.randn(25, 4)  # 400 bytes.
    copied, zeros = tables.copy(table), tables.zeros_like(table)
    assert mapped_files(tmp_path) == (2 if large < 400 else 0)
    assert copied.equal(table)
    assert zeros.equal(torch.zeros(25, 4))
    copied[3], zeros[5] = 7.0, 1.0
    assert copied[3].tolist() == [7.0] * 4
    assert zeros.sum() == 4
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())
    del copied, zeros
    assert mapped_files(tmp_path) == 0


def test_room_is_looked_for_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    table = torch.empty(1000, 256)  # 1 000 KiB: five tables, in three checkpoints too.
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: usage(0, 0, 20 * table.nbytes - 1)
    )
    with pytest.raises(OSError, match=r"1000 embeddings of 256 channels .* disk"):
        Tables(tmp_path / "new" / "run", 0).check_room(table)
    Tables(None, 0).check_room(table)  # Nothing is kept.
    Tables(tmp_path).check_room(table)  # In memory.
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 20 * table.nbytes))
    Tables(tmp_path, 0).check_room(table)
