"""A pickle reader for ``{id: vector}`` files that cannot execute code.

The image features of the benchmarks are published as pickles. A pickle is a program:
it may name any importable function and call it. This reader knows only the few names
that dicts of numbers and numpy arrays need, and replaces each of them with code of its
own, so that not even numpy's unpickling is trusted with the file's bytes.
See https://docs.python.org/3/library/pickle.html#restricting-globals.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data._boundary import max_bytes, open_regular, reading
from pyg_ibmea.data.readers._pickle_machine import Machine, RefusedError


def load_vectors_pickle(path: str | os.PathLike[str]) -> dict[Any, Any]:
    """Reads a pickled dict of numbers, lists and numpy arrays, and nothing else.

    Reads protocols 0 to 5, including files written by Python 2.

    Args:
        path (str or Path): The pickle file.

    Returns:
        The dict, with its values as stored (arrays, numbers, lists). Arrays are views
        of one copy of the file, and read-only.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the pickle names any other global, holds an array of objects,
            is damaged, is not a dict, or would take more memory than
            :func:`~pyg_ibmea.data._boundary.max_bytes`.

    Example:
        >>> import pickle
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "image.pkl")
        ...     with open(path, "wb") as file:
        ...         pickle.dump({7: np.ones(2)}, file)
        ...     load_vectors_pickle(path)
        {7: array([1., 1.])}
    """
    name = os.fspath(path)
    with reading(name, "is not a readable pickle"):
        with open_regular(path) as file:
            content = file.read()
        machine = Machine(content, _NAMES, max_bytes(path))
        try:
            loaded = machine.run()
        except RefusedError as error:
            raise ValueError(f"{name}: {error}") from error
    if not isinstance(loaded, dict):
        raise ValueError(
            f"{name} must hold a dict {{entity id: vector}}, got "
            f"{type(loaded).__name__}"
        )
    return {key: _unwrap(value) for key, value in loaded.items()}


class _Dtype:
    """Stands in for numpy.dtype: plain numbers only."""

    def __init__(
        self,
        machine: Machine,
        spec: object,
        align: object = False,
        copy: object = True,
    ) -> None:
        if not isinstance(spec, str) or np.dtype(spec).kind not in "biuf":
            raise RefusedError(
                f"an array of dtype {spec!r} is refused: only arrays of numbers are "
                "read, since objects in an array may execute code"
            )
        self.dtype = np.dtype(spec)

    def build(self, state: tuple[Any, ...], machine: Machine) -> None:
        if any(part is not None for part in state[2:5]):
            raise RefusedError("an array with a structured dtype is refused")
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for an array until its state has been read."""

    def __init__(self, machine: Machine, *_: object) -> None:
        self.array: NDArray[Any] | None = None

    def build(self, state: tuple[Any, ...], machine: Machine) -> None:
        _, shape, dtype, fortran, raw = state
        order = "F" if fortran else "C"
        self.array = _from_bytes(machine, raw, dtype, shape, order)


class _OnlyNamed:
    """Stands in for numpy.ndarray, which is only ever passed on."""


def _from_bytes(
    machine: Machine,
    raw: memoryview | bytes | str,
    dtype: _Dtype,
    shape: tuple[int, ...],
    order: Any = "C",
) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype):
        raise RefusedError("an array without a plain dtype is refused")
    if isinstance(raw, str):  # Python 2 wrote bytes as text.
        raw = _latin1_bytes(machine, raw, "latin1")
    array: NDArray[Any] = np.frombuffer(raw, dtype.dtype).reshape(shape, order=order)
    return array


def _scalar(machine: Machine, dtype: _Dtype, raw: memoryview | bytes | str) -> Any:
    return _from_bytes(machine, raw, dtype, ())[()]


def _latin1_bytes(machine: Machine, text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"_codecs.encode to {encoding!r} is refused")
    machine.spend(len(text))
    return text.encode("latin1")


def _empty_bytes(machine: Machine) -> bytes:
    return b""


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _OnlyNamed(),
    ("numpy", "dtype"): _Dtype,
    # How protocols 0 to 2 write bytes.
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # Before and since NumPy 2.
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _Array
    _NAMES[f"{_core}.multiarray", "scalar"] = _scalar
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _from_bytes


def _unwrap(value: object) -> object:
    return value.array if isinstance(value, _Array) else value
