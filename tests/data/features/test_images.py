import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyg_ibmea.data import encode_images
from pyg_ibmea.data.features.colours import encode_image


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_what_cannot_be_read_is_masked_and_reported(tmp_path: Path) -> None:
    files = {name: picture(tmp_path / f"{name}.png", i) for i, name in enumerate("ab")}
    files["broken"] = tmp_path / "broken.png"
    files["broken"].write_bytes(files["a"].read_bytes()[:100])
    files["gone"] = tmp_path / "gone.png"
    files["bomb"] = tmp_path / "bomb.png"
    Image.new("1", (20000, 20000)).save(files["bomb"])
    entities = ["broken", "b", "gone", "none", "a", "bomb"]
    with pytest.warns(UserWarning, match=r"3 of 5 images cannot be read.*broken\.png"):
        x, mask = encode_images(files, entities)
    assert mask.tolist() == [False, True, False, False, True, False]
    assert not x[~mask].any()
    assert torch.equal(x[4], torch.from_numpy(encode_image(files["a"])))
    with pytest.raises(ValueError, match="none of 1 images can be read"):
        encode_images({"broken": files["broken"]}, entities)


def test_no_image_is_encoded_twice(tmp_path: Path) -> None:
    files = {name: picture(tmp_path / f"{name}.png", 7) for name in "ab"}
    calls = []

    def encoder(path: Path) -> np.ndarray:
        calls.append(path.name)
        return np.full(3, len(calls), dtype=np.float32)

    cache = tmp_path / "cache"
    first, _ = encode_images(files, ["a", "b"], cache, encoder)
    # The two files have the same content.
    assert calls == ["a.png"]
    again, _ = encode_images(files, ["a", "b"], cache, encoder)
    assert calls == ["a.png"]
    assert torch.equal(first, again)
    picture(files["b"], 8)
    encode_images(files, ["a", "b"], cache, encoder)
    assert calls == ["a.png", "b.png"]
    (kept,) = cache.iterdir()
    kept.write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="the vectors are computed again"):
        encode_images(files, ["a", "b"], cache, encoder)
    assert calls == ["a.png", "b.png"] * 2
    # Only the image that is asked for, and again without a cache.
    encode_images(files, ["a"], None, encoder)
    assert calls[-1] == "a.png"


def test_the_cache_of_the_default_encoder_outlives_its_module(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    encode_images({"a": picture(tmp_path / "a.png")}, ["a"], cache)
    # Another name would encode every image of the users again.
    name = hashlib.sha256(b"pyg_ibmea.data.images.encode_image").hexdigest()[:16]
    assert [path.name for path in cache.iterdir()] == [f"images-{name}.npz"]
