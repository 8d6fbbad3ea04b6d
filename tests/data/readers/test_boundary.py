"""Where files enter: regular files only, within limits, errors that name the file."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from pyg_ibmea.data import (
    encode_images,
    read_features,
    read_mmkb,
    read_names,
    read_rdf,
    read_tables,
)
from pyg_ibmea.data._boundary import (
    MAX_BYTES,
    bounded_lines,
    open_regular,
    reading,
)

READERS = {
    "t.tsv": lambda path: read_tables("x", path),
    "t.csv": lambda path: read_tables("x", path),
    "t.tsv.gz": lambda path: read_tables("x", path),
    "t.parquet": lambda path: read_tables("x", path),
    "g.nt": lambda path: read_rdf("x", path),
    "g.rdf.gz": lambda path: read_rdf("x", path),
    "n.json": read_names,
    "n.tsv": read_names,
    **{
        f"v.{suffix}": lambda path: read_features(path, torch.arange(2), ["a", "b"])
        for suffix in ("pkl", "npz", "npy", "h5", "json", "tsv")
    },
    "i.png": lambda path: encode_images({"a": path}, ["a"]),
}


@pytest.mark.parametrize("name", READERS)
def test_only_regular_files_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    # Opening a pipe that nobody writes to would wait for ever.
    os.mkfifo(path)
    with pytest.raises(ValueError, match="is a device or a pipe"):
        READERS[name](path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="is a device or a pipe"):
        READERS[name](path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        READERS[name](path)


def test_links_to_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a\tin\tb\n")
    (tmp_path / "t.tsv").symlink_to("a")
    assert read_tables("x", tmp_path / "t.tsv").entities == ["a", "b"]
    with pytest.raises(FileNotFoundError, match="there is no file"):
        open_regular(tmp_path / "none")


@pytest.mark.parametrize(
    "error",
    [
        zlib.error("Error -3 while decompressing data"),
        RuntimeError("unexpected pos 64 vs 0"),
        KeyError("features"),
        EOFError(),
        struct.error("unpack requires a buffer of 4 bytes"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        IndexError("list index out of range"),
        TypeError("no known dtype"),
        OverflowError("too large"),
        OSError("read error"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_error_of_a_parser_names_the_file(error: Exception) -> None:
    with (
        pytest.raises(ValueError, match=r"^f\.x is broken: .+; was it copied") as found,
        reading("f.x", "is broken"),
    ):
        raise error
    assert found.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "needs more memory than there is"),
        (RecursionError("maximum depth"), "is nested too deeply"),
        (ValueError("it lacks ids"), r"f\.x cannot be read: it lacks ids$"),
        (ValueError("f.x, line 3: wrong"), r"^f\.x, line 3: wrong$"),
    ],
)
def test_what_the_file_needs_is_said(error: Exception, message: str) -> None:
    with pytest.raises(ValueError, match=message), reading("f.x"):
        raise error


@pytest.mark.parametrize("kind", [FileNotFoundError, PermissionError, ImportError])
def test_what_is_not_the_files_fault_stays(kind: type[Exception]) -> None:
    with pytest.raises(kind, match="as it was"), reading("f.x"):
        raise kind("as it was")


def test_a_gzip_bomb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = b"".join(b"a%d\tin\tb\n" % i for i in range(300_000))
    for name, content in [("t.tsv.gz", rows), ("g.nt.gz", b"#" + b" " * 4_000_000)]:
        (tmp_path / name).write_bytes(gzip.compress(content))
        monkeypatch.setenv(MAX_BYTES, "2000000")
        with pytest.raises(
            ValueError, match=f"{name}.*more than the limit.*{MAX_BYTES}"
        ):
            READERS["t.tsv" if "tsv" in name else "g.nt"](tmp_path / name)
    monkeypatch.setenv(MAX_BYTES, "8000000")
    assert read_tables("x", tmp_path / "t.tsv.gz").num_nodes == 300_001
    monkeypatch.setenv(MAX_BYTES, "much")
    with pytest.raises(ValueError, match=f"{MAX_BYTES} must be a positive number"):
        read_tables("x", tmp_path / "t.tsv.gz")


def test_a_line_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyg_ibmea.data._boundary._LONGEST_LINE", 10)
    (tmp_path / "t").write_bytes(b"0123456789\n0123456789\n")
    with pytest.raises(ValueError, match="t, line 1 is longer than 10 bytes"):
        list(bounded_lines(tmp_path / "t"))
    (tmp_path / "t").write_bytes(b"012345678\n01234567\n9")
    assert list(bounded_lines(tmp_path / "t"))[-1] == b"9"


@pytest.mark.parametrize("kind", ["npz", "npy", "h5", "pkl"])
def test_vectors_have_a_limit_that_can_be_raised(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes in the file, many in memory."""
    path, width = tmp_path / f"v.{kind}", 100_000
    if kind == "npz":
        np.savez_compressed(path, ids=np.arange(2), features=np.ones((2, width)))
    elif kind == "npy":
        np.save(path, np.ones((2, width), np.int8))
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["ids"] = [0, 1]
            file.create_dataset("features", (2, width), "f4", chunks=True)
    else:
        # Each entity has the same array, kept once.
        same = np.ones(width, np.int8)
        path.write_bytes(pickle.dumps({0: same, 1: same}))
    monkeypatch.setenv(MAX_BYTES, "300000")
    with pytest.raises(ValueError, match=rf"v\.{kind}.*{MAX_BYTES}"):
        READERS["v.npy"](path)
    monkeypatch.setenv(MAX_BYTES, "10000000")
    x, _ = READERS["v.npy"](path)
    assert x.shape == (2, width)


def test_names_of_half_characters_and_of_many_digits(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text('{"a": "\\ud83d"}')
    with pytest.raises(ValueError, match=r"n\.json, entry 0: '\\ud83d' is not UTF-8"):
        read_names(tmp_path / "n.json")
    digits = "9" * 5000
    (tmp_path / "n.json").write_text(f'{{"{digits}": "long"}}')
    assert read_names(tmp_path / "n.json") == [(digits, "long")]
    (tmp_path / "n.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"n\.json is not JSON: it is nested too"):
        read_names(tmp_path / "n.json")


def test_brackets_without_end_take_linear_time(tmp_path: Path) -> None:
    """Once a second for each 5,000 of them, squared."""
    (tmp_path / "DB15K_SameAsLinks.txt").write_text("< " * 300_000)
    with pytest.raises(ValueError, match="expected three fields, got 300000"):
        read_mmkb(tmp_path)
