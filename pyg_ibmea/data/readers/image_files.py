"""Which image file belongs to which entity: a folder or a table of images."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from pyg_ibmea.data.readers._rows import read_rows

PathLike = str | os.PathLike[str]

_SUFFIXES = {
    ".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg", ".avif",
}  # fmt: skip


def find_images(source: PathLike, entities: Sequence[str]) -> dict[str, Path]:
    """Finds which image file belongs to which entity.

    Args:
        source (str or Path): A folder of images, each named after its entity (the URI,
            its last part, or the URI percent-encoded, with any suffix; case is ignored
            unless the exact name is there); or a table with the columns ``entity`` and
            ``file``, where files are relative to the folder of the table.
        entities (sequence of str): The URIs.

    Returns:
        The file of each entity that has one, in the order of the entities.

    Raises:
        FileNotFoundError: If there is no such folder or table.
        ValueError: If no image belongs to any entity, or the table is malformed.
    """
    source = Path(source)
    if source.is_dir():
        files = {
            path.stem: path
            for path in sorted(source.rglob("*"))
            if path.suffix.lower() in _SUFFIXES and path.is_file()
        }
        lower = {stem.casefold(): path for stem, path in files.items()}
        found = {}
        for entity in entities:
            names = (entity, quote(entity, safe=""), re.split(r"[/#]", entity)[-1])
            paths = [files.get(name) or lower.get(name.casefold()) for name in names]
            path = next((path for path in paths if path), None)
            if path:
                found[entity] = path
    else:
        known = set(entities)
        rows = read_rows(source, ("entity", "file"))
        listed = {e: source.parent / file for e, file in rows if e in known}
        found = {e: listed[e] for e in entities if e in listed}
    if not found:
        raise ValueError(
            f"{source}: no image belongs to any of the {len(entities)} entities, such "
            f"as {entities[0]!r}"
            if len(entities)
            else f"{source}: there are no entities to find images of"
        )
    return found


def named_by_images(source: PathLike) -> list[str]:
    """What the rows of a table of images name, or the files of a folder without their
    suffix.

    Args:
        source (str or Path): As for :func:`find_images`.
    """
    source = Path(source)
    if source.is_dir():
        return [
            path.stem
            for path in sorted(source.rglob("*"))
            if path.suffix.lower() in _SUFFIXES and path.is_file()
        ]
    return [entity for entity, _ in read_rows(source, ("entity", "file"))]
