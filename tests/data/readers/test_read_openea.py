from pathlib import Path

import pytest

from pyg_ibmea.data import read_openea


def folder(path: Path) -> Path:
    files = {
        "rel_triples_1": "a\tr\tb\nb\tr\tc\n",
        "rel_triples_2": "x\tq\ty\n",
        "attr_triples_2": "y\tborn\t1987-01-01\ny\tnote\t\n",
        "ent_links": "a\tx\nb\ty\nc\tz\n",
        "721_5fold/1/train_links": "b\ty\n",
        "721_5fold/1/valid_links": "c\tz\n",
        "721_5fold/1/test_links": "a\tx\n",
    }
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def test_graphs_links_and_fold(tmp_path: Path) -> None:
    pair = read_openea(folder(tmp_path), names=("en", "fr"))
    assert pair.source.entities == ["a", "b", "c"]
    assert pair.source.triples.tolist() == [[0, 0, 1], [1, 0, 2]]
    assert pair.source.attributes is None
    assert pair.target.entities == ["x", "y", "z"]
    assert pair.target.values == ["1987-01-01", ""]
    assert pair.links.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert pair.masks is not None
    assert [mask.tolist() for mask in pair.masks] == [
        [False, True, False],
        [False, False, True],
        [True, False, False],
    ]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="ent_links"):
        read_openea(tmp_path)
    folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no fold 7 in .*; there are 1"):
        read_openea(tmp_path, fold=7)
    (tmp_path / "721_5fold/1/test_links").write_text("a\ty\n")
    with pytest.raises(ValueError, match=r"test_links, row 1: 'a', 'y' is not a pair"):
        read_openea(tmp_path)
    (tmp_path / "rel_triples_1").write_text("a\tr\n")
    with pytest.raises(ValueError, match="rel_triples_1, line 1: expected"):
        read_openea(tmp_path)
