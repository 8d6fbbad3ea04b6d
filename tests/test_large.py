"""Ranges, and tensors in files."""

import errno
import os
import tempfile

import pytest
import torch

from pyg_ibmea import large


@pytest.mark.parametrize(("size", "chunk"), [(0, 4), (1, 4), (8, 4), (9, 4), (3, 1)])
def test_ranges_cover_all_and_differ_by_one(size, chunk):
    found = list(large.ranges(size, chunk))
    assert [i for rows in found for i in range(size)[rows]] == list(range(size))
    lengths = {rows.stop - rows.start for rows in found}
    assert not lengths or max(lengths) <= min(chunk, min(lengths) + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_large_tensor_lies_in_a_file_without_a_name(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(large, "_MAPPED_BYTES", 1000)
    found = large.room_for((100, 7), dtype, folder=tmp_path)
    assert found.shape == (100, 7)
    assert found.dtype == dtype
    assert os.listdir(tmp_path) == []
    found[:] = torch.arange(700).view(100, 7) % 128
    assert found[99, 6] == 699 % 128
    with open("/proc/self/maps") as maps:
        assert str(tmp_path) in maps.read()
    del found
    with open("/proc/self/maps") as maps:
        assert str(tmp_path) not in maps.read()


def test_without_fallocate_the_room_is_written(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(large, "_WRITTEN_BYTES", 64)
    found = large.room_for((25, 4), folder=tmp_path, least=0)
    assert found.shape == (25, 4)
    assert not found.any()


def test_a_small_one_lies_in_memory(tmp_path):
    large.room_for((10, 7), folder=tmp_path / "missing")
    large.room_for((10, 7), device=torch.device("meta"))


def test_a_full_disk_is_told_at_once(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(large, "_MAPPED_BYTES", 1000)
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match=r"GiB left, and 0.0 GiB are needed.*TMPDIR"):
        large.room_for((1000,))
    assert os.listdir(tmp_path) == []
