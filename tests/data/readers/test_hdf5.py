"""HDF5 files that take their data from other files are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from pyg_ibmea.data import read_features

SECRET = np.frombuffer(b"a secret of this machine", dtype=np.uint8)


def external_storage(file: h5py.File, name: str, folder: Path) -> None:
    (folder / "secret").write_bytes(SECRET.tobytes())
    place = [(str(folder / "secret"), 0, SECRET.size)]
    file.create_dataset(name, (1, SECRET.size), "u1", external=place)


def external_link(file: h5py.File, name: str, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = SECRET[None]
    file[name] = h5py.ExternalLink(str(folder / "secret.h5"), "x")


def link_through_a_link(file: h5py.File, name: str, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = SECRET[None]
    file["there"] = h5py.ExternalLink(str(folder / "secret.h5"), "/")
    file[name] = h5py.SoftLink("/there/x")


def virtual_dataset(file: h5py.File, name: str, folder: Path) -> None:
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = SECRET[None]
    layout = h5py.VirtualLayout((1, SECRET.size), "u1")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", (1, SECRET.size))
    file.create_virtual_dataset(name, layout)


WAYS = [external_storage, external_link, link_through_a_link, virtual_dataset]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["features", "a", "in/a/group"])
def test_other_files_are_not_read(
    tmp_path: Path, name: str, way: Callable[[h5py.File, str, Path], None]
) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        if name == "features":
            file["ids"] = [0]
        way(file, name, tmp_path)
    with h5py.File(path) as file:  # The proof that the file is armed.
        assert file[name][()].tobytes() == SECRET.tobytes()
    with pytest.raises(ValueError, match=r"v\.h5: .* file, which is refused"):
        read_features(path, torch.arange(1), [name])


def test_groups_may_hold_each_other_and_links_within_the_file(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["people/ada"] = [1.0, 2]
        file["people/loop"] = file["people"]
        file["root"] = file["/"]
        file["again"] = h5py.SoftLink("/people/ada")
        file["nowhere"] = h5py.SoftLink("/none")
    x, _ = read_features(path, torch.arange(2), ["people/ada", "b"])
    assert x.tolist() == [[1, 2], [0, 0]]


def test_soft_links_to_a_table(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["raw/ids"], file["raw/x"] = ["b", "a"], [[1.0], [2.0]]
        file["ids"], file["features"] = map(h5py.SoftLink, ("/raw/ids", "/raw/x"))
    x, _ = read_features(path, torch.arange(2), ["a", "b"])
    assert x.tolist() == [[2], [1]]


def test_long_texts_that_stand_once_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "ids", 1000, h5py.string_dtype(), fillvalue="x" * 10_000, chunks=(10,)
        )
        file["features"] = np.ones((1000, 1))
    assert path.stat().st_size < 200_000
    monkeypatch.setenv("PYG_IBMEA_MAX_BYTES", "1000000")
    with pytest.raises(ValueError, match="more than the limit"):
        read_features(path, torch.arange(2), ["a", "b"])


def test_only_numbers_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["a"] = ["text"]
    with pytest.raises(ValueError, match="of entity 'a' must hold real numbers"):
        read_features(tmp_path / "v.h5", torch.arange(2), ["a", "b"])
