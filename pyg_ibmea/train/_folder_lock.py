"""One process at a time writes into a run folder."""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pyg_ibmea.files import naming
from pyg_ibmea.json_shapes import TEXT, WHOLE, Record, read_json

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

LOCK = "run.lock"
# Others look at the lock for an instant, for which its owner is not to be refused.
_PATIENCE = 0.5  # s
_OWNER = Record({}, {"pid": WHOLE, "host": TEXT, "boot": TEXT, "since": TEXT})
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder: the file ``run.lock``, which names the process, its
    host and when it began.

    The system lets go of the lock of a process that ended, however it did. What such a
    process left is taken over with a note; not so what one of another machine left,
    which cannot be seen from here.

    Raises:
        BlockingIOError: If another process holds it.
    """
    path = folder / LOCK
    number, certain = _acquire(path)
    try:
        _take_over(path, certain)
        try:
            with naming(path):
                os.ftruncate(number, 0)
                os.write(number, json.dumps(_this_process()).encode())
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(number)


def refuse_if_locked(folder: Path) -> None:
    """Raises BlockingIOError if another process writes into a folder now."""
    path = folder / LOCK
    if fcntl is None or not path.exists():
        return
    number = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _in_use(path) from error
    except OSError:  # A file system without locks: the start will say.
        return
    finally:
        os.close(number)


def _acquire(path: Path) -> tuple[int, bool]:
    """The open lock file, and whether the system says that nobody else holds it."""
    began = time.monotonic()
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is None:
                return number, False
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(number)
            if time.monotonic() - began > _PATIENCE:
                raise _in_use(path) from error
            time.sleep(0.02)
            continue
        except OSError:  # A file system without locks.
            return number, False
        # Its owner may have removed the file after it was opened here.
        if path.exists() and os.path.samestat(os.fstat(number), path.stat()):
            return number, True
        os.close(number)


def _take_over(path: Path, certain: bool) -> None:
    """Tells of a lock that was left, or refuses it if its owner may be at work."""
    if not path.read_bytes():
        return
    left, here = _read(path), _this_process()
    same = left["host"] == here["host"] or (
        left["boot"] and left["boot"] == here["boot"]
    )
    if left["pid"] and not (same and (certain or not _runs(left["pid"]))):
        raise BlockingIOError(
            f"{path.parent} is locked by {_named(left)}, which cannot be seen from "
            f"here; if it has ended, remove {path}"
        )
    warnings.warn(
        f"{path.parent} was left by {_named(left)}, which has ended; its lock is taken "
        "over",
        stacklevel=4,
    )


def _runs(number: int) -> bool:
    if os.name == "nt":  # There os.kill would end it.
        return True
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):  # No process has so large a number.
        return False
    except PermissionError:
        pass
    return True


def _this_process() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        # One system has many host names if it runs containers.
        "boot": _BOOT.read_text().strip() if _BOOT.exists() else "",
        "since": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _read(path: Path) -> dict[str, Any]:
    """What a lock says; nothing if its owner was killed, or is, while writing it, or
    it was edited.
    """
    nothing = {"pid": 0, "host": "", "boot": "", "since": ""}
    try:
        return {**nothing, **read_json(path, _OWNER, "remove it")}
    except (OSError, ValueError):
        return nothing


def _named(process: dict[str, Any]) -> str:
    if not process["pid"]:
        return "another process"
    return "process {pid} on {host} (since {since})".format(**process)


def _in_use(path: Path) -> BlockingIOError:
    for _ in range(25):  # Its owner may be about to write who it is.
        found = _read(path)
        if found["pid"]:
            break
        time.sleep(_PATIENCE / 25)
    return BlockingIOError(
        f"{path.parent} is being written by {_named(found)}; wait until it has "
        "ended or choose another folder"
    )
