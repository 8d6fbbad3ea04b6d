"""A pickle reader for ``{id: vector}`` files that cannot execute code.

The image features of the benchmarks are published as pickles. A pickle is a program:
it may name any importable function and call it. This reader knows only the few names
that dicts of numbers and numpy arrays need, and replaces each of them with code of its
own, so that not even numpy's unpickling is trusted with the file's bytes.
See https://docs.python.org/3/library/pickle.html#restricting-globals.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def load_vectors_pickle(path: str | os.PathLike[str]) -> dict[Any, Any]:
    """Reads a pickled dict of numbers, lists and numpy arrays, and nothing else.

    Reads protocols 0 to 5, including files written by Python 2.

    Args:
        path (str or Path): The pickle file.

    Returns:
        The dict, with its values as stored (arrays, numbers, lists).

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the pickle names any other global, holds an array of objects,
            is damaged, or is not a dict.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "image.pkl")
        ...     with open(path, "wb") as file:
        ...         pickle.dump({7: np.ones(2)}, file)
        ...     load_vectors_pickle(path)
        {7: array([1., 1.])}
    """
    with open(path, "rb") as file:
        try:
            loaded = _Unpickler(file, encoding="latin1").load()
        except _RefusedError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error
        except Exception as error:  # A damaged pickle may raise anything at all.
            raise ValueError(
                f"{os.fspath(path)} is not a readable pickle ({error}); was the "
                "download complete?"
            ) from error
    if not isinstance(loaded, dict):
        raise ValueError(
            f"{os.fspath(path)} must hold a dict {{entity id: vector}}, got "
            f"{type(loaded).__name__}"
        )
    return {key: _unwrap(value) for key, value in loaded.items()}


class _RefusedError(ValueError):
    """The pickle asks for something that a dict of vectors does not need."""


class _Dtype:
    """Stands in for numpy.dtype: plain numbers only."""

    def __init__(self, spec: object, align: object = False, copy: object = True):
        if not isinstance(spec, str) or np.dtype(spec).kind not in "biuf":
            raise _RefusedError(
                f"an array of dtype {spec!r} is refused: only arrays of numbers are "
                "read, since objects in an array may execute code"
            )
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if any(part is not None for part in state[2:5]):
            raise _RefusedError("an array with a structured dtype is refused")
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for an array until its state has been read."""

    def __init__(self, *_: object) -> None:
        self.array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        self.array = _from_bytes(raw, dtype, shape, "F" if fortran else "C")


class _NotCallable:
    """Stands in for numpy.ndarray, which is only ever passed on."""


def _from_bytes(
    raw: bytes | str, dtype: _Dtype, shape: tuple[int, ...], order: Any = "C"
) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype):
        raise _RefusedError("an array without a plain dtype is refused")
    if isinstance(raw, str):  # Python 2 wrote bytes as text.
        raw = raw.encode("latin1")
    flat = np.frombuffer(raw, dtype.dtype)
    array: NDArray[Any] = flat.reshape(shape, order=order).copy()
    return array


def _scalar(dtype: _Dtype, raw: bytes | str) -> Any:
    return _from_bytes(raw, dtype, ())[()]


def _latin1_bytes(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"_codecs.encode to {encoding!r} is refused")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    return b""


_ARRAY = _NotCallable()
_ALLOWED: dict[tuple[str, str], Callable[..., Any] | _NotCallable] = {
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _Dtype,
    # How protocols 0 to 2 write bytes.
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # Before and since NumPy 2.
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _Array
    _ALLOWED[f"{_core}.multiarray", "scalar"] = _scalar
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _from_bytes


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _RefusedError(
                f"the pickle asks for '{module}.{name}', which a dict of vectors does "
                "not need and which could execute code on this machine: it is refused; "
                "if you trust the file, convert it to .npz (arrays 'ids' and "
                "'features')"
            ) from None


def _unwrap(value: object) -> object:
    return value.array if isinstance(value, _Array) else value
