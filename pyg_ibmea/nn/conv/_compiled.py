"""Functions compiled by numba, whose code is kept on disk and verified when loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from pyg_ibmea.files import DamagedFileError, check_seal, seal

_LOG = logging.getLogger(__name__)

_told = False


def compiled(**options: Any) -> Callable[[Any], Any]:
    """``numba.njit`` with a cache that damage on disk cannot harm.

    numba runs what it finds in its cache: a flipped bit is a crash or a wrong number.
    Here files carry a SHA-256; what is damaged is compiled again, with one line in the
    log. Calls cost what those of ``numba.njit(cache=True)`` do.

    Args:
        **options: Options of ``numba.njit``.

    Returns:
        callable: The decorator.

    Example:
        >>> @compiled(fastmath=True)
        ... def double(x):
        ...     return 2 * x
        >>> double(3)
        6
    """

    def decorate(function: Any) -> Any:
        dispatcher = numba.njit(**options)(function)
        with suppress(RuntimeError):  # There is no folder to keep the code in.
            dispatcher._cache = _SealedCache(function)
        return dispatcher

    return decorate


class _SealedFile(IndexDataCacheFile):
    """The index of a function's compiled forms, and a file for each of them."""

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[Any]:
        with super()._open_for_write(filepath) as file:
            yield file
            file.flush()
            seal(Path(file.name))

    def _load_index(self) -> Any:
        path = Path(self._index_path)
        if not path.exists():
            return {}
        try:
            _verify(path)
            return super()._load_index()
        except Exception as error:
            _tell(error)
            return {}  # Saving writes a new one.

    def _load_data(self, name: str) -> Any:
        _verify(Path(self._data_path(name)))
        return super()._load_data(name)


class _SealedCache(FunctionCache):
    def __init__(self, function: Any):
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        names = (self._cache_path, self._impl.filename_base, stamp)
        self._cache_file: Any = _SealedFile(*names)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            # Whatever is wrong with it, there is a way to do without.
            _tell(error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:  # Such as a full disk.
            _tell(error)


def _verify(path: Path) -> None:
    if not check_seal(path):
        raise DamagedFileError(f"{path} is damaged, or of another version")


def _tell(error: Exception) -> None:
    """Says once in a process that compiled code is made anew."""
    global _told
    if not _told:
        _told = True
        _LOG.warning("compiling anew what could not be loaded or kept: %s", error)
