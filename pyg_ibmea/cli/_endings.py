"""The endings of file names that commands know."""

from __future__ import annotations

from pathlib import Path

from pyg_ibmea.align._alignment_files import FORMATS, OTHER_FORMS
from pyg_ibmea.data._packed import without_packing
from pyg_ibmea.data.readers._excel import EXCEL
from pyg_ibmea.data.readers._rows import PARQUET, TEXT, suffix_of
from pyg_ibmea.data.readers.rdf import RDF

ENDINGS = {
    "matches": tuple(f".{form}" for form in FORMATS),
    "embeddings": (),
    "merged": (".nt", ".pt"),
}
"""By what is exported, the endings of its file; none for a folder."""

PAIRS = (*TEXT, *PARQUET, *EXCEL, ".sssom.tsv", *RDF)
"""Those of a file of pairs, which may have none; text and RDF may be compressed."""


def check_ending(path: Path, known: tuple[str, ...]) -> None:
    """Refuses a file whose ending promises what we do not write or read.

    Args:
        path: The file.
        known: The endings that there are; none if a folder is meant.

    Raises:
        ValueError: If the ending is another; the message lists those there are.

    Example:
        >>> check_ending(Path("m.sssom.csv"), (".sssom.tsv", ".csv"))
        Traceback (most recent call last):
            ...
        ValueError: m.sssom.csv must end in .sssom.tsv or .csv, and not in .sssom.csv
    """
    suffix = path.suffix.lower()
    if not known:
        if suffix in {end for ends in ENDINGS.values() for end in ends} | {".npy"}:
            raise ValueError(f"{path} must be a folder, not a {suffix} file")
        return
    if known is PAIRS:
        suffix = suffix_of(path)
    inner = Path(without_packing(path.name)).with_suffix("").suffix
    other = inner in OTHER_FORMS
    ending = inner + suffix if other else suffix
    if ending not in known and (ending or known is not PAIRS):
        listed = f"{', '.join(known[:-1])} or {known[-1]}"
        told = f", and not in {ending}" if other else ""
        raise ValueError(f"{path} must end in {listed}{told}")
