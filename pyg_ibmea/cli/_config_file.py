"""A training's configuration in a file: what a run writes, or YAML of one's own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pyg_ibmea.cli._train_flags import LOGGERS
from pyg_ibmea.json_shapes import (
    FLAG,
    NULL,
    NUMBER,
    TEXT,
    WHOLE,
    ListOf,
    MapOf,
    OneOf,
    Plain,
    Record,
    check_shape,
    read_json,
)
from pyg_ibmea.options import Options, option_fields


def _only(word: str) -> Plain:
    return Plain(word, lambda value: value == word)


_NAMES = OneOf("null, a name or a list of names", (NULL, TEXT, ListOf(TEXT)))

_LINKS = ListOf(ListOf(TEXT, 3, 3))
_KEYS: dict[str, Any] = {
    "graphs": OneOf(
        "two graphs or more, each with its files",
        (ListOf(ListOf(TEXT, 1), 2), MapOf(MapOf(TEXT))),
    ),
    "links": _LINKS,
    "alone": _LINKS,
    "ratio": NUMBER,
    "val_ratio": NUMBER,
    "split_seed": WHOLE,
    "modalities": _NAMES,
    "num_features": WHOLE,
    "image_encoder": TEXT,
    "name_encoder": TEXT,
    "cache": TEXT,
    "labels_from_uris": FLAG,
    "allow_dropped": FLAG,
    "without_training": FLAG,
    "seed": WHOLE,
    "device": TEXT,
    "out": TEXT,
    "log_to": ListOf(OneOf(", ".join(LOGGERS), tuple(map(_only, LOGGERS)))),
    "continues": TEXT,
    "answers": WHOLE,
}
_WAY_OUT = "see `pyg-ibmea train --help-all`"
_HINT = 'YAML needs PyYAML: pip install "pyg_ibmea[yaml]", or write JSON'


class ConfigError(ValueError):
    """Something is wrong with a file of a configuration, in the words of the file."""


def read_config_file(path: Path) -> dict[str, Any]:
    """Reads a configuration.

    Args:
        path (Path): ``config.json`` of a run, or ``.json``, ``.yaml`` or ``.yml`` with
            some of its keys. Files that it names are sought from its folder.

    Returns:
        dict: Values of the flags of ``pyg-ibmea train``, by destination; under
        ``more_options``, options that are no flags.

    Raises:
        ConfigError: If it cannot be read, has an unknown key or a value of another
            type; the message names the file and the key.
        ImportError: If it is YAML and PyYAML is missing.
        OSError: If the file cannot be opened.
    """
    try:
        return _arguments(path, _checked(path, _read(path)))
    except (TypeError, ValueError) as error:
        said = str(error)
        raise ConfigError(said if str(path) in said else f"{path}: {said}") from error


def _read(path: Path) -> Any:
    ending = path.suffix.lower()
    if path.is_dir():
        raise ValueError(f"{path} is a folder; its configuration is config.json in it")
    if ending == ".json":
        return read_json(path, Record({}), _WAY_OUT)
    if ending not in (".yaml", ".yml"):
        raise ValueError("a configuration must end in .json, .yaml or .yml")
    try:
        import yaml
    except ImportError as error:
        raise ImportError(_HINT) from error
    try:
        return yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        what = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{path}{where}: not YAML: {what}") from error


def _checked(path: Path, config: Any) -> dict[str, Any]:
    """A configuration whose keys and values are known."""
    check_shape(config, str(path), Record({}, _KEYS), _WAY_OUT)
    found: dict[str, Any] = config
    if "part" in found:
        raise ValueError(
            f"it is of a part of a run; take {path.absolute().parents[1] / path.name}"
        )
    if "objects" in found:
        raise ValueError(
            f"the run was given objects of Python ({', '.join(found['objects'])}); "
            "train it again in Python"
        )
    if "dataset" in found:
        raise ValueError(
            "it was written by another program, such as examples/train_mmea.py; run "
            "that again"
        )
    options = Options().flat()
    for key in found:
        if key not in options and key not in _KEYS:
            near = difflib.get_close_matches(str(key), [*options, *_KEYS], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; {_WAY_OUT}"
            raise ValueError(f"there is no key {key!r}{hint}")
    if "graphs" not in found:
        raise ValueError("it names no graphs")
    return found


def _arguments(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Values of flags."""
    folder = path.absolute().parent
    found = {key: config[key] for key in _KEYS if key in config}
    found["graph"] = [
        [name, *(_from(folder, word, "=") for word in words)]
        for name, *words in _graphs(found.pop("graphs"))
    ]
    for key in ("links", "alone"):
        if key in found:
            found[key] = [[a, b, str(folder / file)] for a, b, file in found[key]]
    for key in ("image_encoder", "name_encoder"):
        if key in found:
            found[key] = _from(folder, found[key], ":")
    for key in ("cache", "out"):
        if key in found:
            found[key] = folder / found[key]
    if isinstance(found.get("modalities"), list):
        found["modalities"] = ",".join(found["modalities"])
    options, flags = _options(config), {}
    for owner in fields(options):
        values = getattr(options, owner.name)
        for each in option_fields(type(values)):
            if each.name in config:
                flags[each.name] = getattr(values, each.name)
    known = options.by_name()
    others = {k: known[k] for k in config if k in known and k not in flags}
    if "continues" in found:
        found["go_on"] = Path(found.pop("continues"))
        found["answers_of"] = folder if found.pop("answers", 0) else None
        kept = ("go_on", "answers_of", "device", "out", "log_to")
        return {key: found[key] for key in kept if key in found}
    return {**found, **flags, "more_options": others}


def _graphs(given: Any) -> list[list[str]]:
    """Graphs as on a command line."""
    if isinstance(given, list):
        return given
    return [
        [name, *(f"{key}={file}" for key, file in files.items())]
        for name, files in given.items()
    ]


def _options(config: Mapping[str, Any]) -> Options:
    """Its options; YAML reads 1e-2 as a text."""
    usual = Options().flat()
    given = dict(config)
    for key, value in config.items():
        if isinstance(value, str) and isinstance(usual.get(key), float):
            try:
                given[key] = float(value)
            except ValueError:
                continue
    return Options.from_flat(given)


def _from(folder: Path, word: str, sign: str) -> str:
    """A word whose file is sought from a folder."""
    key, found, file = word.partition(sign)
    if not found or key == "leaves":
        return word
    return f"{key}{sign}{folder / file}"
