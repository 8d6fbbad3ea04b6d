"""Reads the files that it is told of; a line on standard output for each.

Runs in a process of its own, with limits of memory and of time for each file.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import h5py  # noqa: F401
import pyoxigraph  # noqa: F401
import sklearn.feature_extraction.text  # noqa: F401
import torch
from PIL import Image
from pyarrow import parquet  # noqa: F401

from pyg_ibmea.data import (
    read_features,
    read_jape,
    read_mmkb,
    read_names,
    read_openea,
    read_rdf,
    read_tables,
)
from pyg_ibmea.data.features.colours import encode_image
from pyg_ibmea.data.readers.link_tables import read_pairs

MEMORY = 2 * 2**30
SECONDS = 60
URIS = ["http://x/a", "http://x/b", "http://x/c"]
READERS: dict[str, Any] = {
    "table": lambda path: read_tables("x", path),
    "pairs": lambda path: list(read_pairs(path)),
    "names": read_names,
    "rdf": lambda path: read_rdf("x", path),
    "vectors": lambda path: read_features(path, torch.arange(3), URIS),
    "image": encode_image,
    "jape": read_jape,
    "openea": read_openea,
    "mmkb": read_mmkb,
}


def main() -> None:
    warnings.simplefilter("ignore")
    Image.init()
    # What PyTorch and the others have mapped already, most of it never used.
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = MEMORY + pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        reader, name = json.loads(line)
        # Its default action ends the process, wherever it is.
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        print(json.dumps(outcome(reader, name)), flush=True)
        signal.setitimer(signal.ITIMER_REAL, 0)


def outcome(reader: str, name: str) -> str:
    """``read``, ``refused``, or what went wrong."""
    try:
        READERS[reader](Path(name))
    except (OSError, ImportError):
        return "refused"
    except ValueError as error:
        return "refused" if name in str(error) else f"no file is named: {error}"
    except BaseException:
        return traceback.format_exc()
    return "read"


if __name__ == "__main__":
    main()
