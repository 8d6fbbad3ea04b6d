from __future__ import annotations

import builtins
import os
import pickle
import struct
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyg_ibmea.data.readers._restricted_pickle import load_vectors_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "vector",
    [
        np.arange(5, dtype=np.float32),
        np.arange(5, dtype=">f8"),
        np.array([True, False]),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros(0),
        np.arange(10)[::2],
        np.float16(2.5),
    ],
    ids=lambda vector: f"{vector.dtype}{list(vector.shape)}",
)
def test_round_trip(tmp_path: Path, vector: Any, protocol: int) -> None:
    path = tmp_path / "image.pkl"
    path.write_bytes(pickle.dumps({3: vector, "uri": [0.5, 1]}, protocol))
    loaded = load_vectors_pickle(path)
    assert list(loaded) == [3, "uri"]
    np.testing.assert_array_equal(loaded[3], vector)
    assert loaded[3].dtype == vector.dtype
    assert loaded["uri"] == [0.5, 1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_keys_may_be_numpy_integers(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "image.pkl"
    path.write_bytes(pickle.dumps({np.int64(3): np.ones(2)}, protocol))
    assert list(load_vectors_pickle(path)) == [3]


def test_pickle_written_by_python_2(tmp_path: Path) -> None:
    # {1: numpy.array([1., 2.], '<f4')}, as cPickle of Python 2.7 writes protocol 2.
    raw = (
        b"\x80\x02}K\x01cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        b"K\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08"
        b"\x00\x00\x80?\x00\x00\x00@tbs."
    )
    path = tmp_path / "image.pkl"
    path.write_bytes(raw)
    assert load_vectors_pickle(path)[1].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("place", ["alone", "as a value", "in a list", "in a key"])
@pytest.mark.parametrize("function", ["os.system", "eval", "subprocess"])
def test_code_is_never_run(
    tmp_path: Path, function: str, place: str, protocol: int
) -> None:
    marker = tmp_path / "marker"
    call = {
        "os.system": Call(os.system, f"touch {marker}"),
        "eval": Call(builtins.eval, f"open({str(marker)!r}, 'w').close()"),
        "subprocess": Call(subprocess.call, ["touch", str(marker)]),
    }[function]
    content = {
        "alone": call,
        "as a value": {0: np.ones(2), 1: call},
        "in a list": {0: [call]},
        "in a key": {(0, call): np.ones(2)},
    }[place]
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(ValueError, match=r"evil\.pkl: the pickle asks for '.*refused"):
        load_vectors_pickle(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # The proof that the file is armed.
    assert marker.exists()


def test_nested_reduce_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    hidden = Call(getattr, Call(__import__, "os"), "system")
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({0: Call(map, hidden, [f"touch {marker}"])}))
    with pytest.raises(ValueError, match="refused"):
        load_vectors_pickle(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, "a", None], dtype=object),
        np.zeros(2, dtype=[("a", "O"), ("b", "f4")]),
        np.array(["text"]),
        np.array([1j]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_other_arrays_than_numbers_are_refused(tmp_path: Path, array: Any) -> None:
    path = tmp_path / "image.pkl"
    path.write_bytes(pickle.dumps({0: array}))
    with pytest.raises(ValueError, match="refused"):
        load_vectors_pickle(path)


def test_codecs_encode_to_anything_but_latin1_is_refused(tmp_path: Path) -> None:
    import codecs

    path = tmp_path / "image.pkl"
    path.write_bytes(pickle.dumps({0: Call(codecs.encode, "a", "rot13")}))
    with pytest.raises(ValueError, match=r"_codecs\.encode to 'rot13' is refused"):
        load_vectors_pickle(path)


@pytest.mark.parametrize("raw", [b"", b"not a pickle", pickle.dumps({0: 1})[:-4]])
def test_broken_pickles(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "image.pkl"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="not a readable pickle"):
        load_vectors_pickle(path)


def test_other_objects_than_dicts(tmp_path: Path) -> None:
    path = tmp_path / "image.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="must hold a dict"):
        load_vectors_pickle(path)


def nested_key(depth: int) -> bytes:
    # A dict whose key is a tuple in a tuple in a tuple ...
    return b"\x80\x02}K\x01" + b"\x85" * depth + b"K\x01s."


@pytest.mark.parametrize("depth", [1, 3_000_000])
def test_nested_keys(tmp_path: Path, depth: int) -> None:
    """Python's own unpickler hashes them until the process crashes."""
    path = tmp_path / "image.pkl"
    path.write_bytes(nested_key(depth))
    with pytest.raises(ValueError, match="keys must be entity ids or URIs, got one of"):
        load_vectors_pickle(path)


def test_arrays_of_one_buffer_take_its_memory_once(tmp_path: Path) -> None:
    """A thousand arrays, each made anew from the same 8 MB of the file."""
    raw = bytes(8_000_000)
    head = b"\x80\x05}(" + b"B" + struct.pack("<I", len(raw)) + raw + b"q\x000"
    names = b"cnumpy._core.numeric\n_frombuffer\nq\x010"
    dtype = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85Rq\x020"
    array = b"h\x01(h\x00h\x02J" + struct.pack("<i", 1_000_000) + b"\x85U\x01CtR"
    entries = b"".join(b"M" + struct.pack("<H", i) + array for i in range(1000))
    path = tmp_path / "image.pkl"
    path.write_bytes(head + names + dtype + entries + b"u.")
    tracemalloc.start()
    loaded = load_vectors_pickle(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert loaded.keys() == set(range(1000))
    assert loaded[999].shape == (1_000_000,)
    assert peak < 3 * len(raw)


def test_texts_turned_to_bytes_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand times the same text, of which protocol 2 makes bytes each time."""
    text = b"X" + struct.pack("<I", 100_000) + b"x" * 100_000 + b"q\x000"
    call = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    entries = b"".join(b"M" + struct.pack("<H", i) + call for i in range(1000))
    path = tmp_path / "image.pkl"
    path.write_bytes(b"\x80\x02}(" + text + entries + b"u.")
    monkeypatch.setenv("PYG_IBMEA_MAX_BYTES", "50000000")
    with pytest.raises(ValueError, match="more than 50,000,000 bytes of memory"):
        load_vectors_pickle(path)


@pytest.mark.parametrize(
    "target",
    [
        b"c_codecs\nencode\n",
        b"cnumpy._core.multiarray\nscalar\n",
        b"cnumpy\ndtype\n",
        b"cnumpy\nndarray\n",
        b"]",
        b"}",
    ],
)
def test_nothing_of_ours_can_be_changed(tmp_path: Path, target: bytes) -> None:
    """BUILD would set attributes of the reader's own functions, for files to come."""
    path = tmp_path / "image.pkl"
    attribute = b"}X\x0c\x00\x00\x00__defaults__N" + b"s"
    path.write_bytes(b"\x80\x02" + target + attribute + b"b0}.")
    with pytest.raises(ValueError, match=r"the pickle changes a .*refused"):
        load_vectors_pickle(path)


@pytest.mark.parametrize("letter", [b"o", b"i", b"\x81", b"\x92", b"P", b"Q", b"\x82"])
def test_other_instructions_are_refused(tmp_path: Path, letter: bytes) -> None:
    path = tmp_path / "image.pkl"
    path.write_bytes(b"\x80\x02" + letter + b"\x00\n\n.")
    with pytest.raises(ValueError, match=r"the pickle has the instruction .*refused"):
        load_vectors_pickle(path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_lists_of_all_kinds_of_numbers(tmp_path: Path, protocol: int) -> None:
    numbers = [0, 255, 256, -1, 2**31, -(2**40), 0.5, float("inf"), True, False]
    floats = np.random.default_rng(0).normal(size=10_001).tolist()
    content = {1: numbers, "zh": floats, "\u6771\u4eac": [*floats, 1, *floats], "n": {}}
    path = tmp_path / "image.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    assert load_vectors_pickle(path) == content
