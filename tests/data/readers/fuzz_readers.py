"""Coverage-guided fuzzing of the readers: python fuzz_readers.py READER [FLAGS].

READER is one of those below, or "all": then the first byte chooses one. FLAGS are those
of libFuzzer, such as -runs=100000 or a folder of a corpus. A reader may raise
ValueError that names the file, and nothing else; the file stays as it was, and nothing
is written beside it.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pyg_ibmea.data"]):
    from pyg_ibmea import data
    from pyg_ibmea.data.features.colours import encode_image
    from pyg_ibmea.data.readers.link_tables import read_pairs

READERS = {
    "tsv": ("t.tsv", lambda path: data.read_tables("x", path)),
    "csv": ("t.csv", lambda path: data.read_tables("x", path)),
    "gz": ("t.tsv.gz", lambda path: data.read_tables("x", path)),
    "parquet": ("t.parquet", lambda path: data.read_tables("x", path)),
    "nt": ("t.nt", lambda path: data.read_rdf("x", path)),
    "ttl": ("t.ttl", lambda path: data.read_rdf("x", path)),
    "pairs": ("p.tsv", read_pairs),
    "names": ("n.tsv", data.read_names),
    "names.json": ("n.json", data.read_names),
    "pickle": ("v.pkl", lambda path: data.read_features(path, IDS, URIS)),
    "npz": ("v.npz", lambda path: data.read_features(path, IDS, URIS)),
    "npy": ("v.npy", lambda path: data.read_features(path, IDS, URIS)),
    "image": ("i.png", encode_image),
}
URIS = ["a", "b"]


def main():
    reader = sys.argv.pop(1)
    chosen = list(READERS.values()) if reader == "all" else [READERS[reader]]
    warnings.simplefilter("ignore")

    def try_one(content):
        name, read = chosen[content[0] % len(chosen) if content else 0]
        if len(chosen) > 1:
            content = content[1:]
        folder = Path(tempfile.mkdtemp())
        path = folder / name
        path.write_bytes(content)
        try:
            read(path)
        except ValueError as error:
            if str(path) not in str(error):
                raise RuntimeError(f"no file is named: {error}") from error
        if path.read_bytes() != content or len(list(folder.iterdir())) != 1:
            raise RuntimeError("something was written")
        path.unlink()
        folder.rmdir()

    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    import torch

    IDS = torch.arange(2)
    main()
