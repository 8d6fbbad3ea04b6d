"""A full disk is told in one sentence, and costs nothing that was written before."""

import errno
import io
import os

import numpy as np
import pytest
import torch

from pyg_ibmea.files import FullDiskError, naming, replacing
from pyg_ibmea.train._checkpoint import read_checkpoint, write_checkpoint
from pyg_ibmea.train._folder_lock import locked

TOLD = "cannot be written: the disk is full, or a quota is used up; free some space"


class FullFile(io.FileIO):
    """A file on a disk that has room for some bytes."""

    room = 100

    def write(self, content):
        if len(memoryview(content).cast("B")) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(memoryview(content).cast("B"))
        return super().write(content)


@pytest.mark.parametrize(
    "write",
    [
        lambda file: file.write(bytes(1000)),
        lambda file: np.save(file, np.zeros(1000)),
        lambda file: np.savez(file, a=np.zeros(1000)),
        lambda file: torch.save({"a": torch.zeros(1000)}, file),
    ],
    ids=["bytes", "np.save", "np.savez", "torch.save"],
)
def test_whatever_writes_says_that_the_disk_is_full(write, tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def replaced():
        with replacing(path) as unfinished, FullFile(unfinished, "w") as file:
            write(file)

    with pytest.raises(FullDiskError, match=f"file {TOLD}") as told:
        replaced()
    assert told.value.errno == errno.ENOSPC
    assert str(told.value).count("\n") == 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def fail(error):
    raise error


def test_other_errors_are_what_they_were(tmp_path):
    for error in (KeyError("x"), RuntimeError("x"), FileNotFoundError(2, "no", "f")):
        with pytest.raises(type(error)) as told, naming(tmp_path / "file"):
            fail(error)
        assert told.value is error
    with (
        pytest.raises(OSError, match="file cannot be written: Input/output error"),
        naming(tmp_path / "file"),
    ):
        fail(OSError(errno.EIO, "x"))
    with pytest.raises(FullDiskError), naming(tmp_path / "file"):
        fail(OSError(errno.EDQUOT, "x"))


def test_a_lock_that_cannot_be_written_is_not_left(tmp_path, monkeypatch):
    def full(number, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FullDiskError, match=rf"run\.lock {TOLD}"), locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["written", "synced"])
def test_the_last_checkpoint_is_kept(when, tmp_path, monkeypatch):
    write_checkpoint(tmp_path, {"epoch": 1})
    write_checkpoint(tmp_path, {"epoch": 2})

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if when == "written":
        monkeypatch.setattr("pyg_ibmea.train._checkpoint.seal", full)
    else:
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FullDiskError, match=rf"checkpoint\.pt {TOLD}"):
        write_checkpoint(tmp_path, {"epoch": 3})
    assert read_checkpoint(tmp_path / "checkpoint.pt") == {"epoch": 2}
    assert read_checkpoint(tmp_path / "checkpoint.previous.pt") == {"epoch": 1}
    assert len(list(tmp_path.iterdir())) == 2
