"""Files that are never half written."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Nothing is written for so long without a byte of progress.
_ABANDONED_AFTER = 24 * 3600.0  # s


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives another path to write to, which then takes the place of a file in one step.

    After an error or an interrupt the old file is as it was. The new one has reached
    the disk, and so has its name, before this returns: losing power loses neither.
    What a killed process left of the same file is removed after a day.
    """
    remove_leftovers(path.parent, path.name, _ABANDONED_AFTER)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
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
