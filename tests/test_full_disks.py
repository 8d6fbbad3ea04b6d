"""A full disk is told in one sentence, and costs nothing that was written before."""

import errno
import io
import os
import shutil
import subprocess

import numpy as np
import pytest
import torch

from pyg_ibmea.cli import main
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


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("no disk can be mounted")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk, room):
    """Leaves so many bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(max(0, free - room)))


@pytest.mark.attack
def test_a_training_goes_on_when_there_is_room_again(
    small_disk, graph_files, tmp_path, capsys
):
    from attacked_runs import results, train_words

    whole = tmp_path / "whole"
    assert main(train_words(graph_files, "plain", whole)) == 0
    size = sum(path.stat().st_size for path in whole.iterdir())
    expected, kept, refused = results(whole), 0, 0
    for share in range(12):
        out = small_disk / str(share)
        fill(small_disk, round(size * share / 10) & ~4095)
        words = train_words(graph_files, "plain", out)
        capsys.readouterr()
        code = main(words)
        told = capsys.readouterr().err
        (small_disk / "filler").unlink()
        if code == 1:
            refused += 1
            (line,) = [x for x in told.splitlines() if x.startswith("error: ")]
            assert f"error: {out}" in line
            assert TOLD in line
            assert "Traceback" not in told
            there = (out / "config.json").exists()
            assert line.endswith("with --resume") == there
            kept += (out / "checkpoint.pt").exists()
            assert main([*words, "--resume"] if there else words) == 0
        assert results(out) == expected, share
        shutil.rmtree(out)
    assert refused > 3
    assert kept


@pytest.mark.attack
def test_commands_leave_what_was_there(small_disk, graph_files, tmp_path, capsys):
    from attacked_runs import train_words

    out, to = small_disk / "run", small_disk / "to"
    to.mkdir()
    assert main(train_words(graph_files, "plain", out)) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    fill(small_disk, 0)
    for words in (
        ["align", str(out)],
        ["report", str(out)],
        ["export", str(out), "--to", f"{to}/m.tsv"],
        ["export", str(out), "--to", f"{to}/m.parquet"],
        ["export", str(out), "--to", f"{to}/m.nt"],
        ["export", str(out), "--what", "embeddings", "--to", f"{to}/e"],
        ["export", str(out), "--what", "merged", "--to", f"{to}/g.nt"],
        ["export", str(out), "--what", "merged", "--to", f"{to}/g.pt"],
    ):
        capsys.readouterr()
        code = main(words)
        told = capsys.readouterr().err
        assert code == 1, words
        assert "Traceback" not in told
        (line,) = [x for x in told.splitlines() if x.startswith("error: ")]
        assert TOLD in line
        assert str(small_disk) in line
        assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert not [path for path in to.rglob("*") if path.is_file()]
