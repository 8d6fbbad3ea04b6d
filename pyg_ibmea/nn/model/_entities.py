"""The entities that a model knows: pairs that share an embedding, further entities."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding
from pyg_ibmea.nn.encoder.protocols import GraphEncoder
from pyg_ibmea.nn.encoder.relational_encoder import RelationalVIBEncoder
from pyg_ibmea.nn.model._extension import extended_embeddings, extended_sizes
from pyg_ibmea.nn.model._pretrained import Pretrained
from pyg_ibmea.problem import first_numbers

Model = TypeVar("Model", bound="EntityModel")


class EntityModel(Pretrained):
    """A model with an embedding for each entity, if it has the graph modality."""

    num_nodes: dict[str, int]
    in_channels: dict[str, int]
    embedding: EntityEmbedding | None
    graph_encoder: GraphEncoder | None

    def share(self, *pairs: Mapping[str, Tensor]) -> None:
        """Lets the entities of further pairs share their embeddings, as those of the
        seed pairs do, in place of those of an earlier call.

        Args:
            *pairs (dict): Node ids ``{kg: [L]}`` of two graphs, row i of both being one
                entity; one argument for each pair of graphs.

        Raises:
            ValueError: If there are not two graphs with as many entities each, or the
                model has no graph modality.
        """
        if self.embedding is None:
            raise ValueError("a model without the graph modality has no embeddings")
        start = first_numbers(self.num_nodes)
        ends = [torch.empty(2, 0, dtype=torch.long, device=self.embedding.row.device)]
        for two in pairs:
            sizes = {kg: ids.numel() for kg, ids in two.items()}
            if len(sizes) != 2 or len(set(sizes.values())) != 1:
                raise ValueError(f"pairs need as many ids from two graphs, got {sizes}")
            ends.append(torch.stack([ids + start[kg] for kg, ids in two.items()]))
        source, target = torch.cat(ends, dim=1)
        self.embedding.share(source, target)

    @torch.no_grad()
    def extended(self: Model, data: HeteroData) -> Model:
        """A copy of the model that also encodes entities that were not in training.

        A new entity's own embedding is the mean of those of its known neighbours, and
        zero where it has none; everything else in the model is unchanged. Nothing is
        trained.

        Args:
            data (HeteroData): The problem with further entities, which come after the
                known ones of their graph; see :func:`pyg_ibmea.data.add_entities`.

        Raises:
            ValueError: If the graphs or modalities are not the model's, entities are
                missing, or there are relations that the model does not know.

        Example:
            >>> from pyg_ibmea.data import add_entities
            >>> from pyg_ibmea.datasets import SyntheticMMKG
            >>> from pyg_ibmea.nn import IBMEA
            >>> data = SyntheticMMKG(num_entities=100)[0]
            >>> model = IBMEA.from_data(data)
            >>> triple = ("new", "0", data.uri["source"][0])
            >>> more = add_entities(data, "source", ["new"], [triple])
            >>> new = torch.tensor([data["source"].num_nodes])
            >>> model.extended(more)(more, {"source": new}).z["source"].shape
            torch.Size([1, 2000])
        """
        known = None
        if isinstance(self.graph_encoder, RelationalVIBEncoder):
            known = self.graph_encoder.num_edge_types // 2
        sizes = extended_sizes(data, self.num_nodes, self.in_channels, known)
        state, rows = self.state_dict(), None
        if self.embedding is not None:
            rows, table = extended_embeddings(
                self.embedding, data, self.num_nodes, sizes
            )
            state["embedding.seed_row"] = state["embedding.row"] = rows
            state["embedding.weight"] = table
        config = {**self._config(), "num_nodes": sizes}
        model = type(self)(
            **config, seed_rows=rows, **copy.deepcopy(self._own_encoders())
        )
        model.load_state_dict(state)
        device = next(self.parameters()).device
        return model.to(device).train(self.training)
