"""What an alignment problem lacks, in words."""

from __future__ import annotations

from torch_geometric.data import HeteroData

from pyg_ibmea.data.features.bags import num_shared_columns
from pyg_ibmea.problem import has_triples, modalities_of


def describe_gaps(data: HeteroData) -> list[str]:
    """Describes what an alignment problem lacks, as far as a user should know.

    None of it is an error, but all of it limits what an alignment can rest on.

    Args:
        data (HeteroData): The alignment problem.

    Returns:
        A sentence for each graph without triples, each modality that some graph
        lacks, and each sparse modality without a column in common.

    Example:
        >>> import torch
        >>> data = HeteroData()
        >>> data["en"].num_nodes = data["nl"].num_nodes = 2
        >>> data["en", "rel", "en"].edge_index = torch.tensor([[0], [1]])
        >>> describe_gaps(data)
        ["Graph 'nl' has no triples: its entities have no neighbours."]
    """
    gaps = []
    for name in data.node_types:
        if not has_triples(data, name):
            gaps.append(
                f"Graph '{name}' has no triples: its entities have no neighbours."
            )
    for modality in modalities_of(data):
        gaps += _modality_gaps(data, modality)
    return gaps


def _modality_gaps(data: HeteroData, modality: str) -> list[str]:
    lacking = [name for name in data.node_types if not _has(data, name, modality)]
    if lacking:
        return [
            f"Modality '{modality}' is missing for every entity of "
            f"{', '.join(map(repr, lacking))}: it cannot align them."
        ]
    xs = [data[name][f"x_{modality}"] for name in data.node_types]
    if len(xs) > 1 and xs[0].is_sparse and num_shared_columns(xs) == 0:
        names = ", ".join(map(repr, data.node_types))
        return [
            f"Modality '{modality}': the graphs {names} share no column, so "
            "their columns can be related by training only."
        ]
    return []


def _has(data: HeteroData, name: str, modality: str) -> bool:
    """Whether any entity of a graph has the modality."""
    store = data[name]
    if f"x_{modality}" not in store:
        return False
    mask = store.get(f"mask_{modality}")
    return mask is None or bool(mask.any())
