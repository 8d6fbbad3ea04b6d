"""Modules by the names of modalities, which users choose freely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from torch_geometric.nn.module_dict import Key, ModuleDict


class NamedModules(ModuleDict):
    """A ``ModuleDict`` that takes any name and gives back the same.

    PyG's takes names with dots and most of those of attributes, such as ``'type'``, but
    not ``''`` or ``'training'``, and takes ``'a.b'`` and ``'a#b'`` for one. What it
    does take is kept under the same key, also in a ``state_dict``; other names are
    percent-encoded between ``<%`` and ``>``.

    Example:
        >>> import torch
        >>> modules = NamedModules({'a.b': torch.nn.Identity()})
        >>> modules['a#b'] = modules['training'] = torch.nn.Identity()
        >>> modules.keys()
        ['a.b', 'a#b', 'training']
    """

    def __init__(self, modules: Mapping[str, Any] | None = None):
        super().__init__()
        # One by one: the parent would encode the names twice.
        for name, module in (modules or {}).items():
            self[name] = module

    @classmethod
    def to_internal_key(cls, key: Key) -> str:
        assert isinstance(key, str)
        reads_as_encoded = key.startswith("<") and key.endswith(">")
        taken = key in _TAKEN and key not in ModuleDict.CLASS_ATTRS
        if not key or "#" in key or reads_as_encoded or taken:
            return f"<%{quote(key, safe='').replace('.', '%2E')}>"
        internal: str = super().to_internal_key(key)
        return internal

    @classmethod
    def to_external_key(cls, key: str) -> Key:
        if key.startswith("<%") and key.endswith(">"):
            return unquote(key[2:-1])
        return super().to_external_key(key)


# Attributes of every instance, such as 'training', which no module may be named after.
_TAKEN = frozenset(dir(NamedModules()))
