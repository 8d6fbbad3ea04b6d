"""Checkpoints that are read only if every bit is as it was written."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pyg_ibmea.files import check_seal, replacing, seal, sync

CHECKPOINT = "checkpoint.pt"
PREVIOUS = "checkpoint.previous.pt"

# Of larger files, tensors are mapped: a copy of each would take memory beside those of
# the model that it is for.
_LARGE = 1 << 30


def write_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Writes ``checkpoint.pt``; the one before it becomes ``checkpoint.previous.pt``.

    A kill in between leaves the previous one only, from which a run resumes as well.
    """
    path = folder / CHECKPOINT
    with replacing(path) as unfinished:
        torch.save(dict(state), unfinished)
        seal(unfinished)
        sync(unfinished)  # Before the one that is there gives up its name.
        if path.exists():
            os.replace(path, folder / PREVIOUS)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint.

    Raises:
        ValueError: If it is damaged or something else.
    """
    try:
        # One of version 0.1 has the checksums of the zip format only.
        if not check_seal(path):
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            if broken is not None:
                raise ValueError(f"{broken} in it does not have its checksum")
        state: dict[str, Any] = torch.load(
            path,
            map_location="cpu",
            weights_only=True,
            mmap=path.stat().st_size > _LARGE,
        )
        state.keys()
    except Exception as error:  # Whatever comes of unpickling what it should not.
        raise ValueError(
            f"{path} is not a checkpoint of this program, or is damaged ({error})"
        ) from error
    return state


def latest_checkpoint(folder: Path) -> Path | None:
    """Where a run goes on from: the checkpoint, or the one before it if there is no
    other.
    """
    for name in (CHECKPOINT, PREVIOUS):
        if (folder / name).exists():
            return folder / name
    return None


def way_out(path: Path) -> str:
    """What to do about a checkpoint that cannot be read."""
    previous = path.with_name(PREVIOUS)
    if path.name == CHECKPOINT and previous.exists():
        try:
            epoch = read_checkpoint(previous)["epoch"]
        except (ValueError, KeyError):
            return f"remove it and {previous.name} to start the run over with --resume"
        return (
            f"remove it, and --resume goes on from {previous.name}, of epoch {epoch}, "
            "to the same results"
        )
    return "remove it to start the run over with --resume"
