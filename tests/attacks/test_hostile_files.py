"""Damaged and hostile files of every format end in success or in a clear error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_files import FORMATS, write_hostile_files

pytestmark = pytest.mark.attack

SCRIPT = Path(__file__).with_name("read_hostile_files.py")


def outcomes(files: list[tuple[str, Path]], folder: Path) -> list[str]:
    """What became of each file; after one that ends the process, another goes on."""
    found: list[str] = []
    while len(found) < len(files):
        lines = [
            json.dumps((reader, str(path))) for reader, path in files[len(found) :]
        ]
        ended = subprocess.run(
            [sys.executable, str(SCRIPT)],
            input="\n".join(lines),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
        )
        new = [json.loads(line) for line in ended.stdout.splitlines()]
        found += new
        if len(found) < len(files):
            assert new or ended.returncode < 0, ended.stderr[-2000:]
            found.append(f"ended by signal {-ended.returncode}: {ended.stderr[-500:]}")
    return found


def test_no_file_ends_the_process(tmp_path: Path) -> None:
    files = list(write_hostile_files(tmp_path / "files"))
    (tmp_path / "empty").mkdir()
    found = outcomes(files, tmp_path / "empty")
    wrong = {
        str(path.relative_to(tmp_path)): what
        for (_, path), what in zip(files, found, strict=True)
        if what not in ("read", "refused")
    }
    assert not wrong, json.dumps(wrong, indent=1)
    assert len(files) >= 400
    # Undamaged files are read, and no code was run beside us.
    for (_, path), what in zip(files, found, strict=True):
        if path.relative_to(tmp_path / "files").parts[0] == "0":
            assert what == "read", path
    assert {reader for reader, _ in files} == set(FORMATS.values())
    assert found.count("refused") > 200
    assert not any((tmp_path / "empty").iterdir())
