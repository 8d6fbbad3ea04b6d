"""Files take their place in one step."""

import errno
import hashlib
import os
import time

import pytest

from pyg_ibmea.files import (
    DamagedFileError,
    check_seal,
    content_hash,
    is_leftover,
    remove_leftovers,
    replacing,
    seal,
)


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def leave(path, age=0.0):
    """What a process leaves that is killed while it writes a file."""
    path.write_text("half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_leftovers_of_a_kill_are_recognised_and_nothing_else(tmp_path):
    left = [leave(tmp_path / name) for name in (".a.pt.17.part", ".a\nb.9.part")]
    kept = ["a.part", ".a.part", ".a.17.part.pt", "a.17.part", ".a.b.part", ".17.part"]
    for name in kept:
        (tmp_path / name).write_text("kept")
    assert [path for path in sorted(tmp_path.iterdir()) if is_leftover(path)] == sorted(
        left
    )
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    remove_leftovers(tmp_path / "none")


def test_a_write_removes_old_leftovers_of_its_own_file_only(tmp_path):
    days = 24 * 3600
    leave(tmp_path / ".file.17.part", 2 * days)
    kept = [
        leave(tmp_path / ".file.18.part"),  # Another process may be writing it.
        leave(tmp_path / ".other.17.part", 2 * days),
    ]
    with replacing(tmp_path / "file") as unfinished:
        unfinished.write_text("new")
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "file"])


def test_the_file_and_then_its_name_reach_the_disk(tmp_path, monkeypatch):
    path, done = tmp_path / "file", []
    path.write_text("old")

    def fsync(number):
        done.append((os.fstat(number).st_ino, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(path) as unfinished:
        unfinished.write_text("new")
        inode = unfinished.stat().st_ino
    assert done == [(inode, "old"), (tmp_path.stat().st_ino, "new")]


def test_a_file_system_that_cannot_sync_folders(tmp_path, monkeypatch):
    def fail(code):
        def fsync(number):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fsync)

    fail(errno.EINVAL)
    with replacing(tmp_path / "file") as unfinished:
        unfinished.write_text("new")
    fail(errno.EIO)
    with (
        pytest.raises(OSError, match="Input/output"),
        replacing(tmp_path / "file") as unfinished,
    ):
        unfinished.write_text("newer")
    assert (tmp_path / "file").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"some content"])
def test_every_flipped_bit_breaks_the_seal_or_leaves_the_content(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not check_seal(path)
    seal(path)
    assert check_seal(path)
    sealed = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest().encode()
    assert sealed == content + b"\nsha256:" + digest + b"\n"
    for bit in range(8 * len(sealed)):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        if bit // 8 in range(len(content), len(content) + len("\nsha256:")):
            # It no longer looks like a seal; the content is as it was.
            assert not check_seal(path)
            continue
        with pytest.raises(DamagedFileError, match="file is damaged"):
            check_seal(path)
    path.write_bytes(sealed[:-1])
    assert not check_seal(path)


def test_hash_of_a_file_larger_than_what_is_read_at_once(tmp_path):
    content = os.urandom((1 << 20) + 17)
    (tmp_path / "file").write_bytes(content)
    assert content_hash(tmp_path / "file") == hashlib.sha256(content).hexdigest()
