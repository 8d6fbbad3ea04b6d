"""The files and options that shape a processed dataset, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyg_ibmea.data.readers.jape import jape_files
from pyg_ibmea.datasets._feature_files import check_asked_for, given_files
from pyg_ibmea.files import content_hash

#: Increased by one whenever the same input is processed differently.
FORMAT_VERSION = 1
#: Names of entities, which become labels; see :func:`~pyg_ibmea.data.read_names`.
NAMES_FILE = "translated_ent_name.json"
_IMAGE_PATTERNS = (
    "*_id_img_feature_dict.pkl",
    "images.npz",
    "images.npy",
    "images.h5",
)


@dataclass(frozen=True)
class JapeInputs:
    """Everything the processed data depend on.

    Args:
        folder (Path): Folder of the raw files.
        files (tuple): The raw files that are read.
        names (tuple): Names of the two graphs.
        modalities (tuple): The modalities to build; None for all that there are.
        num_features (int): Maximum number of columns of a bag.
        features (dict): Feature file by modality.
        dataset (str): Name of the dataset's class.
    """

    folder: Path
    files: tuple[Path, ...]
    names: tuple[str, str]
    modalities: tuple[str, ...] | None
    num_features: int
    features: dict[str, Path]
    dataset: str

    @classmethod
    def find(
        cls,
        folder: str | os.PathLike[str],
        names: tuple[str, str],
        modalities: Sequence[str] | None,
        num_features: int,
        features: Mapping[str, str | os.PathLike[str] | None],
        dataset: str,
    ) -> JapeInputs:
        """Finds the files that the options ask for, including images in the folder.

        Raises:
            FileNotFoundError: If a feature file that was given does not exist.
            ValueError: If a modality that is asked for has no file, or a feature file
                is given for a modality that is not asked for.
        """
        folder = Path(folder).absolute()
        given = given_files(features)
        used = dict(given)
        if "image" not in given and (modalities is None or "image" in modalities):
            found = _find_images(folder)
            used |= {"image": found} if found else {}
        files = tuple(jape_files(folder))
        if (folder / NAMES_FILE).is_file():
            files = (*files, folder / NAMES_FILE)
        if modalities is not None:
            _check_modalities(modalities, files, used, folder)
        return cls(
            folder=folder,
            files=files,
            names=names,
            modalities=None if modalities is None else tuple(modalities),
            num_features=num_features,
            features={m: path.absolute() for m, path in used.items()},
            dataset=dataset,
        )

    def fingerprint(self) -> str:
        """A hash of options, names and contents of files: 16 hexadecimal digits.

        All files are read: a second for a gigabyte. Sizes and times would miss a file
        that was replaced by one of the same size, and tell copies apart.
        """
        description = {
            "format": FORMAT_VERSION,
            "dataset": self.dataset,
            "names": self.names,
            "modalities": self.modalities,
            "num_features": self.num_features,
            "files": [_identity(path) for path in self.files],
            "features": {m: _identity(path) for m, path in self.features.items()},
        }
        text = json.dumps(description, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _find_images(folder: Path) -> Path | None:
    """Finds the only image file in a folder, if there is one."""
    found = [path for pattern in _IMAGE_PATTERNS for path in folder.glob(pattern)]
    if len(found) > 1:
        raise ValueError(
            f"{folder} holds several image files "
            f"({', '.join(sorted(path.name for path in found))}): choose one with "
            "image=path"
        )
    return found[0] if found else None


def _check_modalities(
    modalities: Sequence[str],
    files: Sequence[Path],
    features: Mapping[str, Path],
    folder: Path,
) -> None:
    if isinstance(modalities, str) or not modalities:
        raise ValueError(
            f"modalities must be a sequence of names such as ('relation',), got "
            f"{modalities!r}"
        )
    there = ["relation", *features]
    if any(path.name.startswith(("training_attrs", "values")) for path in files):
        there.insert(1, "attribute")
    for modality in modalities:
        if modality not in there:
            hint = f" (give its file with {modality}=path)"
            raise ValueError(
                f"there is no modality '{modality}' in {folder}"
                f"{hint if modality in ('image', 'name') else ''}; there are "
                f"{', '.join(map(repr, there))}"
            )
    check_asked_for(features, modalities)


def _identity(path: Path) -> tuple[str, str]:
    """What a file holds, and its name, whose ending says how it is read."""
    return path.name, content_hash(path)
