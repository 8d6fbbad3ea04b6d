from pathlib import Path

import pytest

from pyg_ibmea.datasets import OpenEA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "EN_FR_15K_V1"
    fold = here / "721_5fold" / "2"
    fold.mkdir(parents=True)
    for side, name in enumerate("ab", start=1):
        lines = [f"{name}{i}\tr{i % 2}\t{name}{(i + 1) % 20}\n" for i in range(20)]
        (here / f"rel_triples_{side}").write_text("".join(lines))
        lines = [f"{name}{i}\theight\t{i}\n" for i in range(5)]
        (here / f"attr_triples_{side}").write_text("".join(lines))
    links = [f"a{i}\tb{i}\n" for i in range(20)]
    (here / "ent_links").write_text("".join(links))
    parts = {
        "train_links": links[:4],
        "valid_links": links[4:6],
        "test_links": links[6:],
    }
    for part, lines in parts.items():
        (fold / part).write_text("".join(lines))
    return tmp_path


def test_the_published_fold(folder: Path) -> None:
    for root in (folder, folder / "EN_FR_15K_V1"):
        dataset = OpenEA(root, "EN_FR_15K_V1", fold=2)
        assert repr(dataset) == "OpenEA(en, fr)"
        store = dataset[0]["en", "same_as", "fr"]
        assert [int(store[f"{p}_mask"].sum()) for p in ("train", "val", "test")] == [
            4,
            2,
            14,
        ]
        assert store.train_mask[:4].all()
    assert dataset[0]["en"].x_number.any()


def test_a_ratio_overrides_the_fold(folder: Path) -> None:
    data = OpenEA(folder, "EN_FR_15K_V1", fold=2, ratio=0.5, val_ratio=0.2)[0]
    assert int(data["en", "same_as", "fr"].test_mask.sum()) == 10


def test_missing_files_say_where_they_are_published(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no ent_links.*github\.com"):
        OpenEA(tmp_path, "EN_FR_15K_V1")
