"""Checkpoints: no bit rots unnoticed, and the last good one is there."""

import os
import random

import pytest
import torch

from pyg_ibmea.train import RunFolder
from pyg_ibmea.train._checkpoint import read_checkpoint, write_checkpoint

STATE = {"epoch": 3, "weight": torch.arange(6.0), "config": {}}


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.fixture
def run(tmp_path):
    """A run with two checkpoints."""
    run = RunFolder(tmp_path / "run", {})
    run.start()
    for epoch in (2, 4):
        run.save_checkpoint({"epoch": epoch, "weight": torch.full((5,), float(epoch))})
    return run


def test_no_flipped_bit_is_silent(tmp_path):
    write_checkpoint(tmp_path, STATE)
    path = tmp_path / "checkpoint.pt"
    whole = path.read_bytes()
    seal_starts = len(whole) - len("\nsha256:\n") - 64
    for bit in random.Random(0).sample(range(8 * len(whole)), 300):
        path.write_bytes(whole)
        flip(path, bit)
        if bit // 8 in range(seal_starts, seal_starts + len("\nsha256:")):
            # No longer a seal: the checksums of the zip format are left.
            assert read_checkpoint(path)["weight"].equal(STATE["weight"])
            continue
        with pytest.raises(ValueError, match=r"checkpoint\.pt is .*damaged"):
            read_checkpoint(path)


def test_checkpoint_without_a_seal_is_checked_by_the_zip_format(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save(STATE, path)
    assert read_checkpoint(path)["weight"].equal(STATE["weight"])
    flip(path, 8 * path.read_bytes().index(STATE["weight"].numpy().tobytes()))
    with pytest.raises(ValueError, match="does not have its checksum"):
        read_checkpoint(path)


def test_anybody_can_read_a_checkpoint_with_torch(run):
    found = torch.load(run.path / "checkpoint.pt", weights_only=True)
    assert found["epoch"] == 4


def test_a_broken_checkpoint_offers_the_one_before(run):
    flip(run.path / "checkpoint.pt", 4000)
    resumed = RunFolder(run.path, {}, resume=True)
    with pytest.raises(
        ValueError,
        match=r"checkpoint\.pt is .*damaged.*; remove it, and --resume goes on from "
        r"checkpoint\.previous\.pt, of epoch 2",
    ):
        resumed.start()
    (run.path / "checkpoint.pt").unlink()
    with pytest.warns(UserWarning, match=r"goes on from checkpoint\.previous\.pt"):
        found = resumed.start()
    assert found["epoch"] == 2
    assert found["weight"].tolist() == [2.0] * 5


def test_where_both_are_broken_the_run_starts_anew(run):
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        flip(run.path / name, 4000)
    resumed = RunFolder(run.path, {}, resume=True)
    with pytest.raises(ValueError, match=r"remove it and checkpoint\.previous\.pt to"):
        resumed.start()
    (run.path / "checkpoint.pt").unlink()
    with pytest.raises(ValueError, match=r"previous\.pt is .*; remove it to start the"):
        resumed.start()
    (run.path / "checkpoint.previous.pt").unlink()
    assert resumed.start() is None


def test_a_kill_between_the_two_renamings_leaves_the_one_before(run, monkeypatch):
    replace = os.replace

    def killed(source, target):
        if os.fspath(target).endswith("checkpoint.pt"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run.save_checkpoint({"epoch": 6})
    monkeypatch.undo()
    with pytest.warns(UserWarning, match="goes on from"):
        assert RunFolder(run.path, {}, resume=True).start()["epoch"] == 4
