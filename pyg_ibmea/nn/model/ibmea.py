"""The whole model: from an alignment problem to one fused vector per entity."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.large import CHUNK
from pyg_ibmea.nn._modes import evaluation_mode
from pyg_ibmea.nn._named_modules import NamedModules
from pyg_ibmea.nn._stacks import gains_from_stacks
from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding, seed_rows
from pyg_ibmea.nn.encoder.protocols import GraphEncoder, ModalityEncoder
from pyg_ibmea.nn.model._built_in import (
    built_in_graph_encoder,
    built_in_modal_encoder,
)
from pyg_ibmea.nn.model._by_chunks import encode_by_chunks
from pyg_ibmea.nn.model._entities import EntityModel
from pyg_ibmea.nn.model._inputs import (
    check_encoders,
    chosen_channels,
    features_of,
    masks_of,
    with_neighbors,
)
from pyg_ibmea.nn.model._latents import Latents
from pyg_ibmea.nn.model._neighbors import NeighborFeatures, neighbor_features
from pyg_ibmea.nn.model.fusion import ModalFusion
from pyg_ibmea.nn.model.graph import ModelGraph, linked_entities
from pyg_ibmea.nn.model.output import IBMEAOutput
from pyg_ibmea.nn.posterior import GaussianPosterior
from pyg_ibmea.options import ModelOptions
from pyg_ibmea.problem import GRAPH, entity_counts, first_numbers, relation_numbers


class IBMEA(EntityModel):
    r"""Multi-modal entity alignment with variational information bottlenecks
    (`arXiv:2407.19302 <https://arxiv.org/abs/2407.19302>`_).

    A learnable embedding per entity goes through a graph encoder, the features of each
    other modality through a :class:`ModalVIBEncoder`, and a :class:`ModalFusion` joins
    them. All graphs share the encoders' weights.

    The graph encoder is a :class:`RelationalVIBEncoder` or, with ``relational=False``,
    the paper's :class:`GraphVIBEncoder`. With ``share_seeds`` the entities of a seed
    pair share one embedding: whatever is next to one of them is then known to be next
    to the other. As such a pair would recognise itself at once, training withholds the
    embeddings of the pairs in the batch (see :meth:`forward`), so that they must be
    found by what is around them, as the unknown pairs must be later.

    With ``neighbor_features`` the mean features of an entity's neighbours are
    modalities of their own (``'neighbor_image'`` and so on): what is around an entity
    can be compared before any of it is known.

    Encoders of your own take the place of built-in ones as objects. They are not
    copied, and whether they have a bottleneck is theirs to decide.

    Usually made by :meth:`from_data`.

    Args:
        num_nodes (dict): Number of entities by graph name.
        in_channels (dict): Feature channels by modality, ``'graph'`` excluded.
        use_graph (bool, optional): Whether the structure is a modality.
            (default: :obj:`True`)
        num_edge_types (int, optional): Edge types of the :class:`RelationalGraph`;
            for the built-in encoder with ``relational=True``. (default: :obj:`0`)
        seed_rows (torch.Tensor, optional): Row of the table of embeddings for each
            entity, graph after graph; see :class:`EntityEmbedding`. (default: every
            entity has an embedding of its own)
        options (ModelOptions, optional): The hyper-parameters.
            (default: ``ModelOptions()``)
        encoders (dict, optional): A :class:`ModalityEncoder` for each modality that is
            not to have the built-in one; the features of its neighbours are a modality
            of their own. (default: :obj:`None`)
        graph_encoder (GraphEncoder, optional): In place of the built-in one.
            (default: :obj:`None`)
        **hyper: Fields of :class:`ModelOptions`, which take precedence over
            ``options``.

    Raises:
        TypeError: If there is no such option, or an encoder is not a module.
        ValueError: If an option is out of range, or a bottleneck or an encoder is for a
            modality that the model does not have.
    """

    def __init__(
        self,
        num_nodes: Mapping[str, int],
        in_channels: Mapping[str, int],
        use_graph: bool = True,
        num_edge_types: int = 0,
        seed_rows: Tensor | None = None,
        options: ModelOptions | None = None,
        encoders: Mapping[str, ModalityEncoder] | None = None,
        graph_encoder: GraphEncoder | None = None,
        **hyper: Any,
    ):
        super().__init__()
        self.options = (options or ModelOptions()).replace(**hyper)
        self.num_nodes = dict(num_nodes)
        self.in_channels = dict(in_channels)
        self.num_edge_types = num_edge_types
        self.has_own_graph_encoder = graph_encoder is not None
        self.neighbor_sources: list[str] = []
        # The paper's graph encoder comes without them.
        beside = self.options.relational or self.has_own_graph_encoder
        if self.options.neighbor_features and use_graph and beside:
            self.neighbor_sources = list(in_channels)
        channels = with_neighbors(in_channels, self.neighbor_sources)
        self.modalities = ([GRAPH] if use_graph else []) + list(channels)
        own = dict(encoders or {})
        check_encoders(own, graph_encoder, self.modalities)
        chosen = self.options.select_bottlenecks(in_channels, self.modalities)
        self.embedding: EntityEmbedding | None = None
        self.graph_encoder: GraphEncoder | None = None
        if use_graph:
            if seed_rows is None:
                seed_rows = torch.arange(sum(self.num_nodes.values()))
            self.embedding = EntityEmbedding(seed_rows, self.options.graph_channels)
            if graph_encoder is None:
                graph_encoder = built_in_graph_encoder(
                    self.options, num_edge_types, GRAPH in chosen
                )
            self.graph_encoder = graph_encoder
        built_in = {m: width for m, width in channels.items() if m not in own}
        self.modal_encoder = built_in_modal_encoder(self.options, built_in, chosen)
        self.encoders = NamedModules(own)
        self.fusion = ModalFusion(self.modalities)

    @classmethod
    def from_data(
        cls,
        data: HeteroData,
        preset: str | None = None,
        modalities: Collection[str] | None = None,
        options: ModelOptions | None = None,
        encoders: Mapping[str, ModalityEncoder] | None = None,
        graph_encoder: GraphEncoder | None = None,
        **hyper: Any,
    ) -> IBMEA:
        """A model for one alignment problem.

        Args:
            data (HeteroData): The problem; see :mod:`pyg_ibmea.datasets`.
            preset (str, optional): ``'paper'`` for the published settings, in place of
                ``options``. (default: :obj:`None`)
            modalities (collection of str, optional): The modalities to use, in order.
                (default: the graph and every ``x_<modality>`` there is)
            options (ModelOptions, optional): The hyper-parameters.
                (default: ``ModelOptions()``)
            encoders (dict, optional): See :class:`IBMEA`. (default: :obj:`None`)
            graph_encoder (GraphEncoder, optional): See :class:`IBMEA`.
                (default: :obj:`None`)
            **hyper: Fields of :class:`ModelOptions`, which take precedence over
                ``preset`` and ``options``.

        Raises:
            TypeError: If there is no such option, or an encoder is not a module.
            ValueError: If the preset or a modality is unknown, an option is out of
                range, a modality differs in width between graphs, or both ``preset``
                and ``options`` are given.

        Example:
            >>> from pyg_ibmea.datasets import SyntheticMMKG
            >>> data = SyntheticMMKG(num_entities=100)[0]
            >>> image = torch.nn.Linear(data["source"].x_image.size(1), 16)
            >>> model = IBMEA.from_data(data, encoders={"image": image}, heads=2)
            >>> model(data).latents["image"]["source"].shape
            torch.Size([100, 16])
        """
        if preset is not None:
            if options is not None:
                raise ValueError("give either preset or options, not both")
            options = ModelOptions.preset(preset)
        options = (options or ModelOptions()).replace(**hyper)
        use_graph, in_channels = chosen_channels(data, modalities)
        typed = use_graph and options.relational and graph_encoder is None
        return cls(
            num_nodes=entity_counts(data),
            in_channels=in_channels,
            use_graph=use_graph,
            num_edge_types=2 * relation_numbers(data)[1] if typed else 0,
            seed_rows=seed_rows(data) if use_graph and options.share_seeds else None,
            options=options,
            encoders=encoders,
            graph_encoder=graph_encoder,
        )

    def _config(self) -> dict[str, Any]:
        return {
            "num_nodes": self.num_nodes,
            "in_channels": self.in_channels,
            "use_graph": self.embedding is not None,
            "num_edge_types": self.num_edge_types,
            **dataclasses.asdict(self.options),
        }

    def _own_encoders(self) -> dict[str, Any]:
        own = self.graph_encoder if self.has_own_graph_encoder else None
        return {"encoders": dict(self.encoders.items()), "graph_encoder": own}

    def reset_parameters(self) -> None:
        """Resets all parameters, those of encoders of your own if they have a
        ``reset_parameters``.
        """
        own = list(self.encoders.values())
        for module in (self.embedding, self.graph_encoder, self.modal_encoder, *own):
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
        self.fusion.reset_parameters()

    def graph_of(self, data: HeteroData) -> ModelGraph:
        """What :meth:`forward` reads off the structure; pass it there to build it only
        once.

        Args:
            data (HeteroData): The problem.
        """
        encoder = self.graph_encoder
        return ModelGraph(
            structure=None if encoder is None else encoder.build_graph(data),
            linked=linked_entities(data),
            neighbors=self._neighbors(data),
        )

    def _neighbors(self, data: HeteroData) -> NeighborFeatures:
        counts = self.options.count_modalities
        # Sums of many neighbours need more digits than half precision has.
        dtype = torch.promote_types(self.fusion.score.dtype, torch.float32)
        return neighbor_features(data, self.neighbor_sources, counts, dtype)

    def forward(
        self,
        data: HeteroData,
        entities: Mapping[str, Tensor] | None = None,
        graph: ModelGraph | None = None,
        withhold: bool | Mapping[str, Tensor] = False,
    ) -> IBMEAOutput:
        """Encodes entities.

        Args:
            data (HeteroData): The problem.
            entities (dict, optional): Node ids ``{kg: [n]}`` to encode; graphs that
                are left out are not encoded. (default: all)
            graph (ModelGraph, optional): What :meth:`graph_of` returned for this
                problem. (default: built for this call)
            withhold (bool or dict, optional): Whether to replace the own embeddings of
                ``entities`` by zeros, for themselves and for their neighbours; or those
                of other node ids ``{kg: [n]}``, where these are only a share of a batch
                (see :mod:`pyg_ibmea.train.processes`). (default: :obj:`False`)
        """
        if entities is None:
            entities = self._every_entity()
        if graph is None and self.graph_encoder is not None:
            graph = self.graph_of(data)
        neighbors = self.neighbors_in(graph, data)
        found = Latents()
        modalities = [modality for modality in self.modalities if modality != GRAPH]
        # One modality after the other: without gradients only one's features are held.
        groups = [[modality] for modality in modalities]
        if modalities and gains_from_stacks(self.fusion.score):
            groups = [modalities]
        for group in groups:
            self.add_features(found, data, group, entities, neighbors)
        if graph is not None:
            self._encode_graph(found, entities, graph, withhold)
        z = self.fusion(found.latents, found.masks)
        sizes = {kg: index.numel() for kg, index in entities.items()}
        return found.output(sizes, z, self.fusion.weights())

    @torch.no_grad()
    def encode(
        self,
        data: HeteroData,
        entities: Mapping[str, Tensor] | None = None,
        graph: ModelGraph | None = None,
        chunk: int = CHUNK,
        dtype: torch.dtype | None = None,
    ) -> dict[str, Tensor]:
        """The fused vectors of entities, without noise or dropout, some entities at a
        time: up to rounding those of :meth:`forward` in evaluation mode, in memory that
        does not grow with their latents.

        A graph encoder of your own that has no ``by_chunks`` (see
        :class:`RelationalVIBEncoder`) encodes all entities at once.

        Args:
            data (HeteroData): The problem.
            entities (dict, optional): Node ids ``{kg: [n]}``. (default: all)
            graph (ModelGraph, optional): What :meth:`graph_of` returned for this
                problem. (default: built for this call)
            chunk (int, optional): How many entities are encoded at a time.
                (default: :obj:`16384`)
            dtype (torch.dtype, optional): What the vectors are kept in.
                (default: that of the model)

        Returns:
            dict: By graph, ``[n, C]``; of a gibibyte or more, in a file that goes when
            the tensor does.

        Example:
            >>> from pyg_ibmea.datasets import SyntheticMMKG
            >>> data = SyntheticMMKG(num_entities=100)[0]
            >>> model = IBMEA.from_data(data).eval()
            >>> z = model.encode(data, chunk=30)["target"]
            >>> torch.allclose(z, model(data).z["target"], atol=1e-5)
            True
        """
        if entities is None:
            entities = self._every_entity()
        if graph is None and self.graph_encoder is not None:
            graph = self.graph_of(data)
        with evaluation_mode(self):
            return encode_by_chunks(self, data, entities, graph, chunk, dtype)

    def _every_entity(self) -> dict[str, Tensor]:
        return {
            kg: torch.arange(size, device=self.fusion.score.device)
            for kg, size in self.num_nodes.items()
        }

    def neighbors_in(
        self, graph: ModelGraph | None, data: HeteroData
    ) -> NeighborFeatures:
        """The features of neighbours that a graph holds, or that are computed now.

        Args:
            graph (ModelGraph, optional): What :meth:`graph_of` returned.
            data (HeteroData): The problem.
        """
        if not self.neighbor_sources or graph is None:
            return {}
        # A graph that a model without them built has none.
        return graph.neighbors or self._neighbors(data)

    def add_features(
        self,
        found: Latents,
        data: HeteroData,
        modalities: Sequence[str],
        entities: Mapping[str, Tensor],
        neighbors: NeighborFeatures,
    ) -> None:
        """Adds modalities with features to the latents of entities.

        Args:
            found (Latents): What was found so far.
            data (HeteroData): The problem.
            modalities (sequence of str): The modalities.
            entities (dict): Node ids ``{kg: [n]}``.
            neighbors (dict): What :meth:`neighbors_in` returned.
        """
        features = {m: self._features(data, m, entities, neighbors) for m in modalities}
        masks = masks_of(data, modalities, entities, neighbors)
        found.add(*self._encoded(features), masks)

    def _features(
        self,
        data: HeteroData,
        modality: str,
        entities: Mapping[str, Tensor],
        neighbors: NeighborFeatures,
    ) -> Tensor:
        dtype = self.fusion.score.dtype
        features = features_of(data, modality, entities, neighbors, dtype)
        counts = modality in self.options.count_modalities
        return features.log1p() if counts else features

    def _encoded(
        self, features: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, GaussianPosterior]]:
        """Latents by modality, and posteriors of those with a bottleneck."""
        latents, posteriors = self.modal_encoder(
            {m: x for m, x in features.items() if m not in self.encoders}
        )
        for modality in features:
            if modality in self.encoders:
                encoded = self.encoders[modality](features[modality])
                if isinstance(encoded, GaussianPosterior):
                    posteriors[modality] = encoded
                    encoded = encoded.latent(self.training)
                latents[modality] = encoded
        return latents, posteriors

    def _encode_graph(
        self,
        found: Latents,
        entities: Mapping[str, Tensor],
        graph: ModelGraph,
        withhold: bool | Mapping[str, Tensor],
    ) -> None:
        if self.graph_encoder is None or self.embedding is None:
            return
        start = first_numbers(self.num_nodes)
        nodes = torch.cat([ids + start[kg] for kg, ids in entities.items()])
        hidden = nodes if withhold else None
        if isinstance(withhold, Mapping):
            hidden = torch.cat([ids + start[kg] for kg, ids in withhold.items()])
        x = self.embedding(hidden)
        latent, posterior = self.graph_encoder(x, graph.structure, nodes)
        posteriors = {} if posterior is None else {GRAPH: posterior}
        found.add({GRAPH: latent}, posteriors, {GRAPH: graph.linked[nodes]})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_nodes}, {self.modalities})"
