from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pyg_ibmea.data.readers.image_files import find_images


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_files_are_found_by_name(tmp_path: Path) -> None:
    names = ["plain.png", "UPPER.PNG", "http%3A%2F%2Fx%2Fa%20b.jpg", "sub/last.gif"]
    for name in names:
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    entities = ["plain", "upper", "http://x/a b", "http://y#last", "notes", "none"]
    found = find_images(tmp_path, entities)
    assert {e: p.relative_to(tmp_path).as_posix() for e, p in found.items()} == dict(
        zip(entities[:4], names, strict=True)
    )


def test_files_are_listed_in_a_table(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text("b\tp/1.png\na\t2.png\nunknown\t3.png\n")
    found = find_images(tmp_path / "list.tsv", ["a", "b", "c"])
    assert found == {"a": tmp_path / "2.png", "b": tmp_path / "p/1.png"}
    with pytest.raises(ValueError, match=r"no image belongs to any of the 1 .* 'z'"):
        find_images(tmp_path / "list.tsv", ["z"])
    with pytest.raises(FileNotFoundError, match="no file nowhere"):
        find_images("nowhere", ["a"])
