"""Compressed text, and text in other encodings, as every reader takes it."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data import read_folder, read_names, read_openea, read_rdf, read_tables
from pyg_ibmea.data._boundary import MAX_BYTES, open_bytes, open_text
from pyg_ibmea.data._packed import without_packing

ROWS = "Zürich\tin\tSchweiz\nSeine\tdurch\t巴黎\n"
ENTITIES = ["Zürich", "Schweiz", "Seine", "巴黎"]


@pytest.fixture(params=["zstandard", "of Python 3.14"])
def zstd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """What compresses, where one or the other is there to decompress."""
    if request.param == "zstandard":
        monkeypatch.setitem(sys.modules, "compression", None)
        return pytest.importorskip("zstandard").compress
    if sys.version_info < (3, 14):
        backport = pytest.importorskip("backports.zstd")
        package = type(sys)("compression")
        package.zstd = backport  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "compression", package)
        monkeypatch.setitem(sys.modules, "compression.zstd", backport)
        return backport.compress
    from compression import zstd

    return zstd.compress


def test_the_readers_take_zstandard(tmp_path: Path, zstd) -> None:
    (tmp_path / "triples.tsv.zst").write_bytes(zstd(ROWS.encode()))
    assert read_folder("x", tmp_path).entities == ENTITIES
    nt = b"<urn:a> <urn:in> <urn:b> .\n"
    (tmp_path / "g.nt.zst").write_bytes(zstd(nt))
    assert read_rdf("x", tmp_path / "g.nt.zst").entities == ["urn:a", "urn:b"]
    (tmp_path / "n.tsv.zst").write_bytes(zstd("a\tÄ\n".encode()))
    assert read_names(tmp_path / "n.tsv.zst") == [("a", "Ä")]


def test_frames_one_after_the_other(tmp_path: Path, zstd) -> None:
    random = np.random.default_rng(0)
    parts = [random.bytes(200_000), b"", b"x" * 3_000_000, b"end"]
    path = tmp_path / "a.zst"
    path.write_bytes(b"".join(map(zstd, parts)))
    with open_bytes(path) as file:
        assert file.read() == b"".join(parts)


def test_a_frame_that_is_cut_off(tmp_path: Path, zstd) -> None:
    path = tmp_path / "t.tsv.zst"
    content = zstd(ROWS.encode() * 999)
    for size in (len(content) - 1, len(content) // 2, 5):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"t\.tsv\.zst cannot be read"):
            read_tables("x", path)
    path.write_bytes(b"no frame")
    with pytest.raises(ValueError, match=r"t\.tsv\.zst cannot be read"):
        read_tables("x", path)


def test_a_bomb_is_refused(
    tmp_path: Path, zstd, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.tsv.zst"
    path.write_bytes(zstd(ROWS.encode() * 100_000))
    monkeypatch.setenv(MAX_BYTES, "1000000")
    with pytest.raises(ValueError, match=r"t\.tsv\.zst.*more than the limit"):
        read_tables("x", path)


def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = tmp_path / "t.tsv.zst"
    path.write_bytes(b"(\xb5/\xfd")
    with pytest.raises(ImportError, match=r'pip install "pyg_ibmea\[zstd\]"'):
        read_tables("x", path)


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_with_a_mark_of_its_encoding(
    tmp_path: Path, codec: str, packed: bool
) -> None:
    def write(name: str, text: str) -> Path:
        path = tmp_path / (name + ".gz" * packed)
        content = ("\ufeff" * codec.endswith("-be") + text).encode(codec)
        path.write_bytes(gzip.compress(content) if packed else content)
        return path

    lines = ROWS.replace("\n", "\r\n")  # As a spreadsheet saves "Unicode text".
    assert read_tables("x", write("t.txt", lines)).entities == ENTITIES
    table = read_tables("x", write("t.csv", "head,tail\nZürich,Schweiz\n"))
    assert table.entities == ENTITIES[:2]
    if codec != "utf-8-sig":  # A mark that RDF does not know.
        turtle = write("g.ttl", "<urn:ä> <urn:in> <urn:b> .")
        assert read_rdf("x", turtle).entities == ["urn:ä", "urn:b"]


def test_files_of_lines_in_utf_16(tmp_path: Path) -> None:
    files = {"ent_links": "a\tb\n", "rel_triples_1": "a\tin\ta\n"}
    files |= {"rel_triples_2": "b\tin\tb\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-16")
    assert read_openea(tmp_path).source.entities == ["a"]
    (tmp_path / "n.json").write_text('{"a": "Ä"}', encoding="utf-16")
    assert read_names(tmp_path / "n.json") == [("a", "Ä")]


def test_utf_16_that_is_damaged_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(ROWS.encode("utf-16") + b"\x00")
    with pytest.raises(ValueError, match=r"t\.tsv, from line 3: .* begins as UTF-16"):
        read_tables("x", path)


# The mark of UTF-16 and a NUL after it are the mark of UTF-32.
TEXTS = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda text: not text.startswith("\0")
)


@given(text=TEXTS, size=st.integers(1, 9))
def test_any_text_is_the_same_in_utf_16(tmp_path_factory, text: str, size: int) -> None:
    path = tmp_path_factory.mktemp("utf") / "t"
    path.write_bytes(text.encode("utf-16"))
    pieces = []
    with open_text(path) as file:
        while piece := file.read(size):
            pieces.append(piece)
    assert b"".join(pieces) == text.encode()


def test_names_without_packing() -> None:
    assert without_packing("a.TSV.gz") == "a.tsv"
    assert without_packing("a.zst") == "a"
