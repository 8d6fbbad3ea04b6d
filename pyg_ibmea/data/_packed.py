"""Compressed files, and text in UTF-16, as streams of bytes."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

PACKED = (".gz", ".zst")
"""The endings of compressed files."""

# A few of these bytes may become a hundred thousand times as many.
_CHUNK = 1 << 12

# Those of UTF-32 begin with one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def without_packing(name: str) -> str:
    """The name of a file in lower case, without the ending of its compression.

    Example:
        >>> without_packing("A.tsv.GZ"), without_packing("a.csv")
        ('a.tsv', 'a.csv')
    """
    name = name.lower()
    for ending in PACKED:
        name = name.removesuffix(ending)
    return name


def is_packed(path: Path) -> bool:
    """Whether the name of a file says that it is compressed."""
    return path.name.lower().endswith(PACKED)


def unpacked(path: Path, raw: BinaryIO) -> Any:
    """What a compressed file decompresses to, as a stream with ``readinto``.

    Args:
        path (Path): Its name, which tells how it is compressed.
        raw: The file.

    Raises:
        ImportError: If nothing is installed that can decompress it.
    """
    if path.name.lower().endswith(".gz"):
        return gzip.GzipFile(fileobj=raw, mode="rb")
    try:
        from compression import zstd  # Of Python 3.14.
    except ImportError:
        pass
    else:
        return zstd.ZstdFile(raw)
    try:
        import zstandard
    except ImportError as error:
        raise ImportError(
            f'{path} needs zstandard: pip install "pyg_ibmea[zstd]" (Python 3.14 or '
            "later needs nothing)"
        ) from error
    return _Frames(raw, zstandard.ZstdDecompressor().decompressobj)


class _Frames(io.RawIOBase):
    """The frames of a Zstandard file; unlike the stream of its package, it notices
    where the last one is cut off.
    """

    def __init__(self, raw: BinaryIO, new: Callable[[], Any]) -> None:
        self._raw, self._new = raw, new
        self._frame: Any = None
        self._given = b""
        self._ready = b""

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            given = self._given or self._raw.read(_CHUNK)
            if not given:
                if self._frame is not None:
                    raise EOFError("it ends within a frame")
                return 0
            if self._frame is None:
                self._frame = self._new()
            self._ready = self._frame.decompress(given)
            self._given = b""
            if self._frame.eof:
                self._given, self._frame = self._frame.unused_data, None
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def as_utf8(path: Path, file: Any) -> Any:
    """A file as it is, or in UTF-8 if it begins with the mark of UTF-16 or UTF-32.

    Args:
        path (Path): Its name, for messages.
        file: The file, at its beginning.
    """
    start = file.read(4)
    for mark, codec in _MARKS:
        if start.startswith(mark):
            return io.BufferedReader(_Recoded(path, file, start, codec), 2**20)
    return io.BufferedReader(_Prefixed(file, start), 2**20)


class _Prefixed(io.RawIOBase):
    """A file, the beginning of which was read already."""

    def __init__(self, file: Any, start: bytes) -> None:
        self._file, self._start = file, start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._start:
            count: int = self._file.readinto(buffer)
            return count
        count = min(len(buffer), len(self._start))
        buffer[:count] = self._start[:count]
        self._start = self._start[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Recoded(_Prefixed):
    """A file of another encoding in UTF-8."""

    def __init__(self, path: Path, file: Any, start: bytes, codec: str) -> None:
        super().__init__(file, b"")
        self._path, self._codec, self._lines = path, codec, 1
        self._decoder = codecs.getincrementaldecoder(codec)()
        self._start = self._decoded(start)

    def readinto(self, buffer: Any) -> int:
        while not self._start:
            given = self._file.read(1 << 16)
            self._start = self._decoded(given)
            if not given:
                break
        return super().readinto(buffer) if self._start else 0

    def _decoded(self, given: bytes) -> bytes:
        try:
            text = self._decoder.decode(given, not given)
            self._lines += text.count("\n")
            return text.encode("utf-8")
        except UnicodeError as error:
            raise ValueError(
                f"{self._path}, from line {self._lines}: the file begins as "
                f"{self._codec.upper()}, but {error}; was it copied completely?"
            ) from error
