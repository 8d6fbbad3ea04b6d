from pathlib import Path

import pytest

from pyg_ibmea.data import read_mmkb

FILES = {
    "FB15K_EntityTriples.txt": "/m/1 /r/a /m/2 .\n/m/2 /r/a /m/3 .\n",
    "FB15K_NumericalTriples.txt": "/m/1\t/born\t1987.0\n",
    "DB15K_EntityTriples.txt": "<http://d/x> <http://d/r> <http://d/y> .\n\n",
    "DB15K_SameAsLinks.txt": "/m/2 SameAs <http://d/x> .\n/m/3 SameAs <http://d/z> .\n",
}


def test_both_notations(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    pair = read_mmkb(tmp_path)
    assert pair.source.entities == ["/m/2", "/m/3", "/m/1"]
    assert pair.source.triples.tolist() == [[2, 0, 0], [0, 0, 1]]
    assert pair.source.values == ["1987.0"]
    assert pair.target.entities == ["http://d/x", "http://d/z", "http://d/y"]
    assert pair.target.relations == ["http://d/r"]
    assert pair.links.tolist() == [[0, 1], [0, 1]]


def test_errors(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    path = tmp_path / "DB15K_EntityTriples.txt"
    for content, message in [
        (b"a b c\na b\n", "line 2: expected three fields, got 2"),
        (b"a b \xff\n", "line 1 is not UTF-8"),
        (b"", "is empty"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_mmkb(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="DB15K_EntityTriples"):
        read_mmkb(tmp_path)
