"""Vectors that were computed before are those that were computed."""

import random

import numpy as np
import pytest

from pyg_ibmea.data.features._vector_cache import VectorCache

VECTORS = {"a": np.arange(3, dtype=np.float32), "b": -np.ones(3, dtype=np.float32)}


def write(folder):
    cache = VectorCache(folder, "images", "mine")
    for key, vector in VECTORS.items():
        cache.add(key, vector)
    cache.save()
    return cache.path


def assert_known(cache):
    assert cache.known.keys() == VECTORS.keys()
    for key, vector in VECTORS.items():
        assert np.array_equal(cache.known[key], vector)


@pytest.mark.filterwarnings("ignore:.*the vectors are computed again")
def test_no_flipped_bit_gives_other_vectors(tmp_path):
    path = write(tmp_path)
    whole = path.read_bytes()
    assert_known(VectorCache(tmp_path, "images", "mine"))
    for bit in random.Random(0).sample(range(8 * len(whole)), 300):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        cache = VectorCache(tmp_path, "images", "mine")
        if cache.known:
            assert_known(cache)


def test_damage_is_told_and_a_cache_without_a_seal_is_read(tmp_path):
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"npz cannot be read .*is damaged.*computed"):
        VectorCache(tmp_path, "images", "mine")
    np.savez(path, keys=np.array(list(VECTORS)), vectors=np.stack([*VECTORS.values()]))
    assert_known(VectorCache(tmp_path, "images", "mine"))
