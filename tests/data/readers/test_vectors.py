from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from pyg_ibmea.data import read_features
from pyg_ibmea.data.readers import _vector_files

IDS = torch.tensor([3, 0, 5])
URIS = ["http://a//x", "/m/b", "c"]
VECTORS = {3: np.array([1.0, 2]), 5: np.array([0.0, -4])}
EXPECTED = [[1.0, 2.0], [0.0, 0.0], [0.0, -4.0]]


def write_pickle(path: Path, vectors: dict[Any, Any]) -> None:
    path.write_bytes(pickle.dumps(vectors))


def write_npz(path: Path, vectors: dict[Any, Any]) -> None:
    np.savez(path, ids=list(vectors), features=list(vectors.values()))


def write_npy(path: Path, vectors: dict[Any, Any]) -> None:
    features = np.zeros((max(vectors) + 1, len(next(iter(vectors.values())))))
    for i, vector in vectors.items():
        features[i] = vector
    np.save(path, features)


def write_hdf5_table(path: Path, vectors: dict[Any, Any]) -> None:
    with h5py.File(path, "w") as file:
        file["ids"] = list(vectors)
        file["features"] = np.stack(list(vectors.values()))


def write_hdf5_named(path: Path, vectors: dict[Any, Any]) -> None:
    with h5py.File(path, "w") as file:
        for name, vector in vectors.items():
            file[str(name)] = vector


FORMATS = {
    "images.pkl": write_pickle,
    "images.npz": write_npz,
    "images.npy": write_npy,
    "table.h5": write_hdf5_table,
    "named.hdf5": write_hdf5_named,
}
Write = Callable[[Path, dict[Any, Any]], None]


@pytest.mark.parametrize(("file", "write"), FORMATS.items(), ids=list(FORMATS))
def test_every_format_gives_the_same(tmp_path: Path, file: str, write: Write) -> None:
    write(tmp_path / file, VECTORS)
    x, mask = read_features(tmp_path / file, IDS, URIS)
    assert x.dtype == torch.float32
    assert x.tolist() == EXPECTED
    assert mask.tolist() == [True, False, True]


@pytest.mark.parametrize("file", [f for f in FORMATS if f != "images.npy"])
def test_entities_named_by_uri(tmp_path: Path, file: str) -> None:
    FORMATS[file](tmp_path / file, {URIS[0]: [1.0, 2.0], URIS[1]: [3.0, 4.0]})
    x, mask = read_features(tmp_path / file, IDS, URIS)
    assert x.tolist() == [[1, 2], [3, 4], [0, 0]]
    assert mask.tolist() == [True, True, False]


@pytest.mark.parametrize(("file", "write"), FORMATS.items(), ids=list(FORMATS))
def test_unknown_entities_are_counted(tmp_path: Path, file: str, write: Write) -> None:
    write(tmp_path / file, {**VECTORS, 8: np.ones(2), 9: np.ones(2)})
    with pytest.warns(UserWarning, match="dropped 2 of 4 vectors"):
        x, _ = read_features(tmp_path / file, IDS, URIS)
    assert x.tolist() == EXPECTED


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize(("file", "write"), FORMATS.items(), ids=list(FORMATS))
def test_not_finite(tmp_path: Path, file: str, write: Write, bad: float) -> None:
    write(tmp_path / file, {3: np.array([1.0, 2]), 5: np.array([bad, 0])})
    with pytest.raises(ValueError, match=r"vector of entity 5 \('c'\) holds NaN,"):
        read_features(tmp_path / file, IDS, URIS)


@pytest.mark.parametrize("file", ["images.pkl", "named.hdf5"])
@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(3), r"of entity '?5'? has 3 entries, but that of entity '?3'? has 2"),
        (np.ones((1, 2)), r"of entity '?5'? must have one dimension, got shape \[1, 2"),
        (np.float64(1.0), r"of entity '?5'? must have one dimension, got shape \[\]"),
    ],
)
def test_vectors_of_another_shape(
    tmp_path: Path, file: str, vector: Any, message: str
) -> None:
    FORMATS[file](tmp_path / file, {3: np.ones(2), 5: vector})
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path / file, IDS, URIS)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ({}, "holds no vector"),
        ({3: []}, "first vector is empty"),
        ({3: [[1], [1, 2]]}, "entity 3 is not a vector"),
        ({3: "text"}, "entity 3 must hold real numbers"),
        ({3: None}, "must hold real numbers|refused"),
        ({2.5: [1.0]}, "keys must be entity ids or URIs"),
        ({True: [1.0]}, "keys must be entity ids or URIs"),
        ({8: [1.0]}, "covers none of the 3 entities; its first key is 8"),
        ({5: [1.0], "c": [1.0]}, r"two vectors for entity 5 \('c'\)"),
    ],
)
def test_bad_dicts(tmp_path: Path, vectors: dict[Any, Any], message: str) -> None:
    path = tmp_path / "images.pkl"
    write_pickle(path, vectors)
    with pytest.raises(ValueError, match=message):
        read_features(path, IDS, URIS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": [3]}, "it lacks features"),
        ({"ids": [3, 5], "features": [[1.0]]}, "'ids' must be"),
        ({"ids": [3], "features": [1.0]}, "'ids' must be"),
        ({"ids": [], "features": np.zeros((0, 2))}, "holds no vector"),
        ({"ids": [3, 3], "features": np.ones((2, 2))}, "two vectors for entity 3"),
        (
            {"ids": [3], "features": np.array([[None]])},
            "Object arrays cannot be loaded",
        ),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "images.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_features(tmp_path / "images.npz", IDS, URIS)


def test_npy_of_objects_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.array([[None]]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"is not an \.npy matrix"):
        read_features(tmp_path / "images.npy", IDS, URIS)


@pytest.mark.parametrize("file", ["images.npz", "images.npy", "images.h5"])
def test_broken_files(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_bytes(b"PK broken")
    with pytest.raises(ValueError, match=rf"{file} is not an? "):
        read_features(tmp_path / file, IDS, URIS)


def test_missing_file_and_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no feature file .*images\.npz"):
        read_features(tmp_path / "images.npz", IDS, URIS)
    (tmp_path / "images.csv").write_text("3,1")
    with pytest.raises(ValueError, match=r"unknown kind of feature file '\.csv'"):
        read_features(tmp_path / "images.csv", IDS, URIS)


def test_hint_where_h5py_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_hdf5_table(tmp_path / "images.h5", VECTORS)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r'pip install "pyg_ibmea\[hdf5\]"'):
        read_features(tmp_path / "images.h5", IDS, URIS)


def test_a_large_matrix_is_read_row_by_row(tmp_path, monkeypatch):
    path = tmp_path / "images.npy"
    matrix = np.arange(12, dtype=np.float16).reshape(4, 3)
    matrix[2] = 0
    np.save(path, matrix)
    ids, uris = torch.tensor([3, 2, 0, 7]), ["d", "c", "a", "x"]
    with pytest.warns(UserWarning, match="dropped 1 of 3 vectors"):
        expected = read_features(path, ids, uris)
    monkeypatch.setattr(_vector_files, "_MAPPED_BYTES", 1)
    with pytest.warns(UserWarning, match="dropped 1 of 3 vectors"):
        found = read_features(path, ids, uris)
    for one, other in zip(found, expected, strict=True):
        assert one.equal(other)
    assert found[0].tolist() == [[9, 10, 11], [0, 0, 0], [0, 1, 2], [0, 0, 0]]
    np.save(path, np.array([[object()]]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"is not an \.npy matrix of numbers"):
        read_features(path, ids, uris)
