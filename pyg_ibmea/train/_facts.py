"""What must be the same in all processes of a training: data, versions, options."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

_PACKAGES = ("pyg_ibmea", "torch", "torch_geometric", "numpy")


def facts_of(data: HeteroData, config: Mapping[str, Any]) -> dict[str, str]:
    """The versions of Python and packages, the entries of a configuration, and shape
    and checksum of all that a problem holds, by what messages call them.

    Args:
        data (HeteroData): The problem.
        config (dict): The configuration.

    Example:
        >>> facts_of(HeteroData(), {"lr": 0.1})["the option lr"]
        '0.1'
    """
    facts = {"the version of Python": platform.python_version()}
    for name in _PACKAGES:
        facts[f"the version of {name}"] = str(sys.modules[name].__version__)
    facts |= {f"the option {name}": repr(value) for name, value in config.items()}
    for store in data.stores:
        of = getattr(store, "_key", None)
        named = "the data" if of is None else f"the data of {of!r}"
        for key, value in store.items():
            facts[f"{named}, {key}"] = _told(value)
    return facts


def _told(value: Any) -> str:
    """Type, shape and checksum."""
    checksum = blake2b(digest_size=8)
    if not isinstance(value, Tensor):
        checksum.update(repr(value).encode("utf-8", "backslashreplace"))
        return f"{type(value).__name__} of checksum {checksum.hexdigest()}"
    value = value.detach()
    parts = [value]
    if value.layout != torch.strided:
        coo = value.to_sparse_coo().coalesce()
        parts = [coo.indices(), coo.values()]
    for part in parts:
        # PyG's EdgeIndex is a tensor of a kind of its own.
        whole = part.as_subclass(Tensor).cpu().contiguous().flatten().view(torch.uint8)
        checksum.update(whole.numpy())
    kind = str(value.dtype).removeprefix("torch.")
    return f"{kind} {list(value.shape)} of checksum {checksum.hexdigest()}"
