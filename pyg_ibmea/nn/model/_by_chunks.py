"""The whole model without noise, some entities at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.large import ranges, room_for
from pyg_ibmea.nn.encoder._by_chunks import Chunks
from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding
from pyg_ibmea.nn.encoder.protocols import GraphEncoder
from pyg_ibmea.nn.model._latents import Latents
from pyg_ibmea.nn.model._neighbors import NeighborFeatures
from pyg_ibmea.nn.model.fusion import ModalFusion
from pyg_ibmea.nn.model.graph import ModelGraph
from pyg_ibmea.problem import GRAPH, first_numbers


class Encodes(Protocol):
    """What is needed of a model."""

    num_nodes: dict[str, int]
    modalities: list[str]
    embedding: EntityEmbedding | None
    graph_encoder: GraphEncoder | None
    fusion: ModalFusion

    def neighbors_in(
        self, graph: ModelGraph | None, data: HeteroData
    ) -> NeighborFeatures:
        """The features of neighbours."""

    def add_features(
        self,
        found: Latents,
        data: HeteroData,
        modalities: Sequence[str],
        entities: Mapping[str, Tensor],
        neighbors: NeighborFeatures,
    ) -> None:
        """Adds modalities with features."""


def encode_by_chunks(
    model: Encodes,
    data: HeteroData,
    entities: Mapping[str, Tensor],
    graph: ModelGraph | None,
    chunk: int,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """The fused vectors of entities; see :meth:`IBMEA.encode`."""
    neighbors = model.neighbors_in(graph, data)
    structural = _structural_latents(model, graph, chunk)
    start = first_numbers(model.num_nodes)

    def fused(kg: str, first: int, ids: Tensor) -> Tensor:
        """Of entities of one graph in a range that begins with ``first``."""
        found = Latents()
        for modality in model.modalities:
            if modality != GRAPH:
                model.add_features(found, data, [modality], {kg: ids}, neighbors)
        if graph is not None and structural is not None:
            begin = start[kg] + first
            end = start[kg] + int(ids[-1]) + 1
            latent = structural(slice(begin, end))[ids - first]
            mask = graph.linked[ids + start[kg]]
            found.add({GRAPH: latent}, {}, {GRAPH: mask})
        z: Tensor = model.fusion(found.latents, found.masks)
        return z

    vectors = {}
    for kg, ids in entities.items():
        ordered, order = ids.sort()
        rows: Tensor | None = None
        for part in ranges(model.num_nodes[kg], chunk):
            ends = torch.tensor([part.start, part.stop], device=ids.device)
            begin, end = torch.searchsorted(ordered, ends).tolist()
            if begin == end:
                continue
            z = fused(kg, part.start, ordered[begin:end])
            if rows is None:
                shape = (ids.numel(), z.size(1))
                rows = room_for(shape, dtype or z.dtype, z.device)
            rows[order[begin:end]] = z.to(rows.dtype)
        if rows is None:
            rows = model.fusion.score.new_empty(0, 0, dtype=dtype)
        vectors[kg] = rows
    return vectors


def _structural_latents(
    model: Encodes, graph: ModelGraph | None, chunk: int
) -> Chunks | None:
    """Gives the latents of the graph encoder of a range of entities."""
    if graph is None or model.graph_encoder is None or model.embedding is None:
        return None
    x, encoder = _embeddings(model.embedding, chunk), model.graph_encoder
    by_chunks: Any = getattr(encoder, "by_chunks", None)
    if by_chunks is not None:
        chunks: Chunks = by_chunks(x, graph.structure, chunk)
        return chunks
    latent, _ = encoder(x, graph.structure, None)
    return lambda rows: latent[rows]


def _embeddings(embedding: EntityEmbedding, chunk: int) -> Tensor:
    """The embedding of every entity, where there is room for them."""
    weight, row = embedding.weight.detach(), embedding.row
    shape = (row.numel(), weight.size(1))
    found = room_for(shape, weight.dtype, weight.device)
    for rows in ranges(row.numel(), chunk):
        torch.index_select(weight, 0, row[rows], out=found[rows])
    return found
