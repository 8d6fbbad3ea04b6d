from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.datasets import MMKGPair
from pyg_ibmea.problem import labels_of

Write = Callable[..., Path]
NUM_LINKS = 20


@pytest.fixture
def raw_pair(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder in JAPE's layout with 20 entities a side, all of them linked."""

    def write(folder: Path | None = None, attributes: tuple[int, ...] = (1, 2)) -> Path:
        folder = folder or tmp_path / "published"
        folder.mkdir(parents=True, exist_ok=True)
        for side, first in ((1, 0), (2, NUM_LINKS)):
            ids = range(first, first + NUM_LINKS)
            files = {
                "ent_ids": [f"{i}\thttp://{side}/{i}" for i in ids],
                "rel_ids": [f"{side}\thttp://in"],
                "triples": [f"{i}\t{side}\t{i + 1}" for i in ids[:-1]],
                "training_attrs": [f"http://{side}/{i}\thttp://born" for i in ids[:9]],
            }
            for name, lines in files.items():
                if name != "training_attrs" or side in attributes:
                    (folder / f"{name}_{side}").write_text("\n".join(lines))
        links = [f"{i}\t{i + NUM_LINKS}" for i in range(NUM_LINKS)]
        (folder / "ill_ent_ids").write_text("\n".join(links))
        return folder

    return write


def parts(data: HeteroData) -> list[int]:
    links = data["source", "same_as", "target"]
    return [int(links[f"{part}_mask"].sum()) for part in ("train", "val", "test")]


def cached(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "processed").glob("*_*_*.pt"))


def write_images(path: Path, entities: list[int]) -> Path:
    np.savez(path, ids=entities, features=np.ones((len(entities), 3)))
    return path


def test_from_files_to_hetero_data(raw_pair: Write, tmp_path: Path) -> None:
    dataset = MMKGPair(tmp_path / "root", raw_pair(), ratio=0.5, val_ratio=0.2)
    data = dataset[0]
    assert len(dataset) == 1
    assert repr(dataset) == "MMKGPair(source, target)"
    assert data.validate()
    assert data["target"].num_nodes == 20
    assert data.uri["target"][0] == "http://2/20"
    assert data.relation_uri["source"] == ["http://in"]
    assert data["source"].mask_attribute.sum() == 9
    assert data["source"].x_relation.to_dense().flatten().tolist() == [1, *[2] * 18, 1]
    assert parts(data) == [8, 2, 10]
    assert dataset[0] is not dataset[0]


def test_the_default_place_of_raw_files(raw_pair: Write, tmp_path: Path) -> None:
    raw_pair(tmp_path / "root" / "raw")
    assert MMKGPair(tmp_path / "root")[0]["source"].num_nodes == 20


def test_links_may_be_there_to_judge_only(raw_pair: Write, tmp_path: Path) -> None:
    data = MMKGPair(tmp_path / "root", raw_pair(), ratio=0)[0]
    assert parts(data) == [0, 0, 20]


def test_translated_names_become_labels(raw_pair: Write, tmp_path: Path) -> None:
    folder = raw_pair()
    assert "labels" not in MMKGPair(tmp_path / "root", folder)[0]
    names = '[[0, ["gary", "rydstrom"]], [21, ["seoul"]], ["http://1/1", "x"]]'
    (folder / "translated_ent_name.json").write_text(names)
    for _ in range(2):  # From the files, and from the cache.
        data = MMKGPair(tmp_path / "root", folder)[0]
        assert labels_of(data, "source")[:3] == [("gary rydstrom",), ("x",), ()]
        assert labels_of(data, "target")[1] == ("seoul",)
    assert "x_name" not in data["source"]


def test_cache_is_used_until_something_changes(
    raw_pair: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[str] = []
    process = MMKGPair.process

    def counting(self: MMKGPair) -> None:
        runs.append(self.processed_file_names)
        process(self)

    monkeypatch.setattr(MMKGPair, "process", counting)
    root, raw = tmp_path / "root", raw_pair()
    image = write_images(tmp_path / "images.npz", [0, 20])
    options: list[dict[str, Any]] = [
        {},
        {"names": ("zh/new", "e n")},
        {"modalities": ("relation",)},
        {"modalities": ("relation", "attribute")},
        {"num_features": 5},
        {"image": image},
        {"name": image},
        {"features": {"audio": image}},
    ]
    for change in options:
        MMKGPair(root, raw, **change)
    assert len(set(runs)) == len(runs) == len(options)
    # The split and a transform are applied to what was loaded.
    for change in [*options, {"ratio": 0.5}, {"split_seed": 7}, {"val_ratio": 0.5}]:
        MMKGPair(root, raw, transform=lambda data: data, **change)
    assert len(runs) == len(options)
    # Neither time nor place of a file matters.
    os.utime(raw / "triples_1", (1, 1))
    MMKGPair(root, raw)
    MMKGPair(root, shutil.copytree(raw, tmp_path / "elsewhere"))
    assert len(runs) == len(options)
    # Another content makes another cache file, of whatever size and time.
    write_images(image, [0, 1, 20])
    MMKGPair(root, raw, image=image)
    before = (raw / "triples_1").stat()
    text = (raw / "triples_1").read_text()
    (raw / "triples_1").write_text(text.replace("0\t1\t1", "0\t1\t2", 1))
    os.utime(raw / "triples_1", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (raw / "triples_1").stat().st_size == before.st_size
    MMKGPair(root, raw)
    assert len(set(runs)) == len(runs) == len(options) + 2
    MMKGPair(root, raw, force_reload=True)
    assert len(runs) == len(options) + 3
    assert not list((root / "processed").glob(".*"))


def test_split_is_that_of_the_arguments(raw_pair: Write, tmp_path: Path) -> None:
    root, raw = tmp_path / "root", raw_pair()
    first = MMKGPair(root, raw)[0]
    assert parts(first) == [5, 1, 14]
    links = "source", "same_as", "target"
    again = MMKGPair(root, raw)[0]
    assert torch.equal(first[links].test_mask, again[links].test_mask)
    other = MMKGPair(root, raw, split_seed=1)[0]
    assert not torch.equal(first[links].test_mask, other[links].test_mask)
    assert len(cached(root)) == 1


def test_published_folds_unless_a_ratio_is_given(
    raw_pair: Write, tmp_path: Path
) -> None:
    raw = raw_pair()
    (raw / "sup_ent_ids").write_text("\n".join(f"{i}\t{i + 20}" for i in range(10)))
    data = MMKGPair(tmp_path / "root", raw)[0]
    links = data["source", "same_as", "target"]
    assert links.test_mask.tolist() == [False] * 10 + [True] * 10
    assert parts(data) == [9, 1, 10]
    assert parts(MMKGPair(tmp_path / "root", raw, ratio=0.5)[0])[1:] == [1, 10]
    assert MMKGPair(tmp_path / "root", raw, ratio=0.25, val_ratio=0.2)[0].validate()
    assert len(cached(tmp_path / "root")) == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", None])
def test_broken_cache_is_made_again(
    raw_pair: Write, tmp_path: Path, damage: bytes | None
) -> None:
    root, raw = tmp_path / "root", raw_pair()
    dataset = MMKGPair(root, raw)
    path = Path(dataset.processed_paths[0])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.warns(UserWarning, match="; it is made again"):
        data = MMKGPair(root, raw)[0]
    assert torch.equal(
        data["source"].x_relation.to_dense(),
        dataset[0]["source"].x_relation.to_dense(),
    )
    assert torch.load(path, weights_only=True)["data"]


def test_interrupted_write_leaves_no_cache(
    raw_pair: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(payload: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    raw = raw_pair()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            MMKGPair(tmp_path / "root", raw)
    assert list((tmp_path / "root" / "processed").iterdir()) == []
    assert MMKGPair(tmp_path / "root", raw)[0].validate()


def test_nothing_is_written_to_the_raw_folder(raw_pair: Write, tmp_path: Path) -> None:
    raw = raw_pair()
    before = {path: path.stat().st_mtime_ns for path in [raw, *raw.iterdir()]}
    MMKGPair(tmp_path / "root", raw)
    assert {path: path.stat().st_mtime_ns for path in [raw, *raw.iterdir()]} == before


def test_images_in_the_folder_are_found(raw_pair: Write, tmp_path: Path) -> None:
    raw = raw_pair()
    path = raw / "zh_en_GA_id_img_feature_dict.pkl"
    path.write_bytes(pickle.dumps({3: np.array([1.0, 2]), 25: np.array([3.0, 4])}))
    data = MMKGPair(tmp_path / "root", raw)[0]
    assert data["source"].mask_image.nonzero().flatten().tolist() == [3]
    assert data["target"].x_image[5].tolist() == [3, 4]
    assert data["target"].x_image.sum() == 7
    plain = MMKGPair(tmp_path / "root", raw, modalities=("relation",))[0]
    assert "x_image" not in plain["source"]
    write_images(raw / "images.npz", [0, 20])
    with pytest.raises(ValueError, match=r"several image files \(images\.npz, zh_en"):
        MMKGPair(tmp_path / "root", raw)


def test_one_sided_modalities_are_told_at_every_load(
    raw_pair: Write, tmp_path: Path
) -> None:
    raw = raw_pair(attributes=(1,))
    for _ in range(2):
        with pytest.warns(UserWarning, match="'attribute' is missing .* 'target'") as w:
            data = MMKGPair(tmp_path / "root", raw)[0]
        assert len(w) == 1
        assert w[0].filename == __file__
    assert data["target"].x_attribute.is_sparse


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"MMKGPair needs ent_ids_1.*as raw="):
        MMKGPair(tmp_path / "root", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"modalities": ("image",)}, ValueError, r"no modality 'image'.*image=path"),
        ({"modalities": ("name",)}, ValueError, "there are 'relation', 'attribute'"),
        ({"modalities": ("text",)}, ValueError, "no modality 'text'"),
        ({"modalities": "relation"}, ValueError, "must be a sequence of names"),
        ({"modalities": ()}, ValueError, "must be a sequence of names"),
        ({"image": "nowhere.npz"}, FileNotFoundError, "no file nowhere.npz"),
        (
            {"features": {"relation": "a.npz"}},
            ValueError,
            "'relation' is made from the graphs",
        ),
        ({"names": ("a", "a")}, ValueError, "two different names"),
        ({"ratio": 1.5}, ValueError, "ratio must lie"),
        ({"val_ratio": -1}, ValueError, "val_ratio must lie"),
        ({"num_features": 0}, ValueError, "num_features must be at least 1"),
    ],
)
def test_options_that_cannot_be_met(
    raw_pair: Write,
    tmp_path: Path,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        MMKGPair(tmp_path / "root", raw_pair(), **options)


def test_file_for_a_modality_that_is_not_used(raw_pair: Write, tmp_path: Path) -> None:
    image = write_images(tmp_path / "images.npz", [0])
    with pytest.raises(ValueError, match="'image', which is not among"):
        MMKGPair(tmp_path, raw_pair(), image=image, modalities=("relation",))


class Touches:
    """Pickles as a call that makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("name", ["pre_transform.pt", "pre_filter.pt"])
def test_what_others_put_beside_the_cache_is_not_run(
    raw_pair: Write, tmp_path: Path, name: str
) -> None:
    folder, root, marker = raw_pair(), tmp_path / "root", tmp_path / "marker"
    MMKGPair(root, folder)
    torch.save(Touches(marker), root / "processed" / name)
    torch.load(root / "processed" / name, weights_only=False)
    assert marker.exists()  # The proof that the file is armed.
    marker.unlink()
    MMKGPair(root, folder)
    assert not marker.exists()
    assert len(cached(root)) == 1
