"""Files that are never half written, and that say so if they are damaged later."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Nothing is written for so long without a byte of progress.
_ABANDONED_AFTER = 24 * 3600.0  # s
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SEAL = b"\nsha256:"
_SEAL_SIZE = len(_SEAL) + 64 + 1


class DamagedFileError(ValueError):
    """A file does not hold what was written to it."""


class FullDiskError(OSError):
    """A file cannot be written because its disk is full.

    Args:
        path (Path): The file.
    """

    def __init__(self, path: Path):
        super().__init__(
            f"{path} cannot be written: the disk is full, or a quota is used up; free "
            "some space and run the command again"
        )
        self.errno = errno.ENOSPC


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Says of what fails for want of space, or without a name, which file it was about.

    Args:
        path (Path): The file that is written inside.

    Raises:
        FullDiskError: If the disk is full, whatever the writing library made of it.
        OSError: If something else is wrong with the file system.
    """
    try:
        yield
    except FullDiskError:
        raise
    except Exception as error:
        cause = _system_error(error)
        full = _is_full(path.parent) if cause is None else cause.errno in _NO_ROOM
        if full:
            raise FullDiskError(path) from error
        if isinstance(error, OSError) and error.filename is None and error.errno:
            why = f"{path} cannot be written: {os.strerror(error.errno)}"
            raise OSError(error.errno, why) from error
        raise


def _system_error(error: BaseException) -> OSError | None:
    """What the system said, if it caused an error: libraries wrap it, and writers of
    archives fail again when they close the file.
    """
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, OSError):
        seen = seen.__cause__ or seen.__context__
    return seen


def _is_full(folder: Path) -> bool:
    """Whether a disk has not even room for a small file: libraries in other languages
    do not say why they failed.
    """
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in _NO_ROOM
    return False


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path to write to, which then replaces a file in one step.

    After an error or an interrupt the old file is as it was. The new one has reached
    the disk, and so has its name, before this returns: losing power loses neither.
    What a killed process left of the same file is removed after a day.

    Raises:
        FullDiskError: If the disk is full.
    """
    remove_leftovers(path.parent, path.name, _ABANDONED_AFTER)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with naming(path):
            yield unfinished
            sync(unfinished)
            os.replace(unfinished, path)
            sync(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a file is one that :func:`replacing` gave and a killed process left."""
    return re.fullmatch(r"\..+\.\d+\.part", path.name, re.DOTALL) is not None


def remove_leftovers(
    folder: Path, name: str | None = None, older_than: float = 0.0
) -> None:
    """Removes what killed processes left half written in a folder.

    Args:
        folder (Path): The folder; nothing is done if it does not exist.
        name (str, optional): Only what was to become this file. (default: any)
        older_than (float, optional): Only what nobody has written to for so many
            seconds. (default: :obj:`0.0`)
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        wanted = name is None or path.name.startswith(f".{name}.")
        if not (wanted and is_leftover(path)):
            continue
        try:
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink()
        except FileNotFoundError:  # Its process lived, or another removed it.
            continue


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, have reached the disk."""
    if os.name == "nt":  # It opens no folders, and syncs only what it may write to.
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:  # Some file systems cannot sync folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)


def seal(path: Path) -> None:
    """Appends a SHA-256 of what a file holds, by which :func:`check_seal` recognises
    damage.

    It goes behind the end of a zip file (``.pt``, ``.npz``), where readers of that
    format look for nothing.
    """
    digest = _digest(path, path.stat().st_size)
    with path.open("ab") as file:
        file.write(_SEAL + digest + b"\n")


def check_seal(path: Path) -> bool:
    """Whether a file was sealed; a sealed one is read in full and compared.

    Raises:
        DamagedFileError: If the file is sealed and any bit differs.
    """
    size = path.stat().st_size - _SEAL_SIZE
    if size < 0:
        return False
    with path.open("rb") as file:
        file.seek(size)
        found = file.read()
    if not found.startswith(_SEAL):
        return False
    if found != _SEAL + _digest(path, size) + b"\n":
        raise DamagedFileError(
            f"{path} is damaged: its content does not have the SHA-256 that was "
            "written with it"
        )
    return True


def content_hash(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    return _digest(path, path.stat().st_size).decode()


def _digest(path: Path, size: int) -> bytes:
    """The SHA-256 of the first bytes of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(size, 1 << 20))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest().encode()
