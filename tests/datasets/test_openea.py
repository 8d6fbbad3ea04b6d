from pathlib import Path

import numpy as np
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


def test_features_of_both_graphs_by_uri_or_number(folder: Path) -> None:
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    np.savez(folder / "image.npz", ids=["b3", "a0"], features=x[[23, 0]])
    np.savez(folder / "sound.npz", ids=[1, 21], features=x[[1, 21]])
    (folder / "names.tsv").write_text("a0\tParis\nb0\tParijs\n")
    files = {"sound": folder / "sound.npz", "name": folder / "names.tsv"}
    pair = (folder, "EN_FR_15K_V1", 2)
    data = OpenEA(*pair, image=folder / "image.npz", features=files)[0]
    places = {kg: data.uri[kg].index(uri) for kg, uri in [("en", "a0"), ("fr", "b3")]}
    assert data["en"].mask_image.nonzero().tolist() == [[places["en"]]]
    assert data["fr"].mask_image.nonzero().tolist() == [[places["fr"]]]
    np.testing.assert_array_equal(data["fr"].x_image[places["fr"]], x[23])
    np.testing.assert_array_equal(data["en"].x_sound[1], x[1])
    np.testing.assert_array_equal(data["fr"].x_sound[1], x[21])
    assert data["en"].mask_name.sum() == data["fr"].mask_name.sum() == 1
    with pytest.raises(ValueError, match="'image', which is not among modalities"):
        OpenEA(*pair, image=folder / "image.npz", modalities=["relation"])
    with pytest.raises(FileNotFoundError, match="no file nowhere for modality 'image'"):
        OpenEA(*pair, image="nowhere")


def test_missing_files_say_where_they_are_published(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no ent_links.*github\.com"):
        OpenEA(tmp_path, "EN_FR_15K_V1")
