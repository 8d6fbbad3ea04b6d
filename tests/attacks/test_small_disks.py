"""Trainings and commands on a disk that fills up."""

import shutil
import subprocess

import pytest
from attacked_runs import results, train_words

from pyg_ibmea.cli import main

pytestmark = [pytest.mark.attack, pytest.mark.filterwarnings("default")]
TOLD = "cannot be written: the disk is full, or a quota is used up; free some space"


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


def test_a_training_goes_on_when_there_is_room_again(
    small_disk, graph_files, tmp_path, capsys
):
    whole = tmp_path / "whole"
    assert main(train_words(graph_files, "plain", whole)) == 0
    size = sum(path.stat().st_size for path in whole.iterdir())
    expected, kept, refused = results(whole), 0, 0
    for share in (0, 1, 3, 6, 11):
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
    assert refused > 2
    assert kept


def test_commands_leave_what_was_there(small_disk, graph_files, tmp_path, capsys):
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
