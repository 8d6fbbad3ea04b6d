"""Where files enter: regular files only, within limits, with errors that name the file.

Every reader opens its files here. What a file holds may be damaged or made to harm, so
whatever a parser raises becomes one :class:`ValueError` that says which file it was.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO

from pyg_ibmea.data._packed import as_utf8, is_packed, unpacked

MAX_BYTES = "PYG_IBMEA_MAX_BYTES"
"""Environment variable: how many bytes one file may become when it is read."""

_DEFAULT_MAX_BYTES = 4 * 2**30
# A longer line is no line: a bomb of zeros would be held in memory as one.
_LONGEST_LINE = 64 * 2**20


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a regular file, or a link to one, for reading.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is a folder, a device, a pipe or a socket.
    """
    # Without O_NONBLOCK, opening a pipe waits for someone to write to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if os.path.isdir(path):  # Which Windows does not open at all.
        raise ValueError(f"{os.fspath(path)} is a folder; a file is needed")
    try:
        number = os.open(path, flags)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {os.fspath(path)}") from None
    except PermissionError:
        raise
    except (OSError, ValueError) as error:  # A socket; a NUL in the name.
        raise ValueError(f"{os.fspath(path)!r} cannot be opened: {error}") from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ValueError(
            f"{os.fspath(path)} is a device or a pipe; only regular files are read: "
            "copy what it gives into a file"
        )
    return os.fdopen(number, "rb")


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raises the errors of :func:`open_regular`, for parsers that open the file."""
    open_regular(path).close()


@contextmanager
def reading(path: Any, problem: str = "cannot be read") -> Iterator[None]:
    """Turns whatever a damaged file makes a parser raise into one error.

    Errors that name the file already, and those of a missing file, a missing permission
    or a missing package, are left as they are.

    Args:
        path (str or Path): The file or folder.
        problem (str, optional): What is wrong, after the name of the file.
            (default: ``"cannot be read"``)

    Raises:
        ValueError: For any other error.

    Example:
        >>> with reading("images.npz", "is not an .npz file"):
        ...     {}["ids"]
        Traceback (most recent call last):
        ...
        ValueError: images.npz is not an .npz file: KeyError: 'ids'; was it copied or \
downloaded completely?
    """
    name = str(path)
    try:
        yield
    except (ImportError, FileNotFoundError, PermissionError):
        raise
    except MemoryError as error:
        raise ValueError(
            f"{name} {problem}: it needs more memory than there is; take a part of it "
            "or a larger machine"
        ) from error
    except RecursionError as error:
        raise ValueError(f"{name} {problem}: it is nested too deeply") from error
    except Exception as error:  # Parsers may raise anything at all.
        if type(error) is ValueError:
            if str(error).startswith(name):
                raise
            raise ValueError(f"{name} {problem}: {error}") from error
        reason = str(error) or "no reason given"
        if isinstance(error, LookupError):
            reason = f"{type(error).__name__}: {reason}"
        raise ValueError(
            f"{name} {problem}: {reason}; was it copied or downloaded completely?"
        ) from error


def max_bytes(path: str | os.PathLike[str]) -> int:
    """How many bytes a file may become when it is read: 4 GiB, or what the environment
    variable :obj:`MAX_BYTES` says, and always twice the size of the file.

    Raises:
        ValueError: If the variable is not a positive whole number.
    """
    text = os.environ.get(MAX_BYTES, str(_DEFAULT_MAX_BYTES))
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 20 and int(text)):
        raise ValueError(
            f"the environment variable {MAX_BYTES} must be a positive number of bytes, "
            f"got {text!r}"
        )
    return max(int(text), 2 * os.stat(path).st_size)


def check_bytes(path: str | os.PathLike[str], count: int) -> None:
    """Raises ValueError if a file would become more bytes than it may."""
    limit = max_bytes(path)
    if count > limit:
        raise ValueError(
            f"{os.fspath(path)} would take {_size(count)} when it is read, more than "
            f"the limit of {_size(limit)}; if you trust it, set the environment "
            f"variable {MAX_BYTES} to a larger number of bytes"
        )


def open_bytes(path: Path) -> IO[bytes]:
    """Opens a regular file, decompressing it if its name ends with ``.gz`` or ``.zst``.

    Reading raises ValueError where it decompresses to more than :func:`max_bytes`.
    """
    if not is_packed(path):
        return open_regular(path)
    return io.BufferedReader(_Decompressed(path), 2**20)


def open_text(path: Path) -> IO[bytes]:
    """The same for a file of text: UTF-16 and UTF-32 that begin with their mark are
    given in UTF-8, without it.
    """
    file: IO[bytes] = as_utf8(path, open_bytes(path))
    return file


def bounded_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, with their line feeds, decompressed if need be.

    Raises:
        ValueError: If the file cannot be read or a line is longer than 64 MiB.
    """
    with reading(path), open_text(path) as file:
        lines = iter(partial(file.readline, _LONGEST_LINE + 1), b"")
        for number, line in enumerate(lines, start=1):
            if len(line) > _LONGEST_LINE:
                raise ValueError(
                    f"{path}, line {number} is longer than {_size(_LONGEST_LINE)}; "
                    "is this a text file?"
                )
            yield line


class _Decompressed(io.RawIOBase):
    """What a compressed file decompresses to, counted."""

    def __init__(self, path: Path) -> None:
        self._path, self._count = path, 0
        self._limit = max_bytes(path)
        self._raw = open_regular(path)
        try:
            self._file = unpacked(path, self._raw)
        except ImportError:
            self._raw.close()
            raise

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._file.readinto(buffer)
        self._count += count
        if self._count > self._limit:
            check_bytes(self._path, self._count)
        return count

    def close(self) -> None:
        self._file.close()
        self._raw.close()
        super().close()


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count:,} bytes"
