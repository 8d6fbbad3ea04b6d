"""Tables in memory and in files."""

import errno
import gc
import os
from collections import namedtuple

import pytest
import torch

from pyg_ibmea.files import FullDiskError, is_leftover
from pyg_ibmea.train import _tables
from pyg_ibmea.train._tables import Tables


def mapped_files():
    """How many files of tables this process has mapped."""
    gc.collect()
    with open("/proc/self/maps") as lines:
        return sum("/.table." in line for line in lines)


linux = pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")


@linux
@pytest.mark.parametrize("large", [399, 400])
def test_tables_above_a_size_lie_in_files_without_a_name(tmp_path, large):
    tables = Tables(tmp_path / "run", large)
    table = torch.randn(25, 4)  # 400 bytes.
    before = mapped_files()
    copied, zeros = tables.copy(table), tables.zeros_like(table)
    assert mapped_files() - before == (2 if large < 400 else 0)
    assert copied.equal(table)
    assert zeros.equal(torch.zeros(25, 4))
    copied[3], zeros[5] = 7.0, 1.0
    assert copied[3].tolist() == [7.0] * 4
    assert zeros.sum() == 4
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())
    del copied, zeros
    assert mapped_files() == before


def test_without_fallocate_the_room_is_written(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(_tables, "_CHUNK", 64)
    table = torch.randn(25, 4)
    assert Tables(tmp_path, 0).copy(table).equal(table)
    assert not Tables(tmp_path, 0).zeros_like(table).any()


def test_files_are_recognised_where_they_cannot_be_removed_at_once(
    tmp_path, monkeypatch
):
    found = []
    unlink = _tables.Path.unlink

    def keep(path):
        found.append(path)
        unlink(path)

    monkeypatch.setattr(_tables.Path, "unlink", keep)
    Tables(tmp_path, 0).copy(torch.ones(2))
    assert [is_leftover(path) for path in found] == [True]


def test_full_disk_while_a_table_is_made(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_tables, "_allocate", full)
    with pytest.raises(FullDiskError, match="the disk is full"):
        Tables(tmp_path, 0).copy(torch.ones(2))
    assert not any(tmp_path.iterdir())


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
