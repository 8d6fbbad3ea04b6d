"""The whole model: from an alignment problem to one fused vector per entity."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric import EdgeIndex
from torch_geometric.data import HeteroData

from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding
from pyg_ibmea.nn.encoder.graph_encoder import GraphVIBEncoder
from pyg_ibmea.nn.encoder.graphs import (
    RelationalGraph,
    linked_nodes,
    relational_graph,
    seed_rows,
    union_graph,
)
from pyg_ibmea.nn.encoder.modal_encoder import ModalVIBEncoder, select_bottlenecks
from pyg_ibmea.nn.encoder.relational_encoder import RelationalVIBEncoder
from pyg_ibmea.nn.model._extension import extended
from pyg_ibmea.nn.model._neighbors import PREFIX, NeighborFeatures, neighbor_features
from pyg_ibmea.nn.model._pretrained import load_pretrained, push_to_hub, save_pretrained
from pyg_ibmea.nn.model.fusion import ModalFusion
from pyg_ibmea.nn.model.output import IBMEAOutput
from pyg_ibmea.nn.posterior import GaussianPosterior
from pyg_ibmea.problem import (
    GRAPH,
    entity_counts,
    feature_channels,
    first_numbers,
    relation_numbers,
)

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "relational": False,
        "share_seeds": False,
        "graph_channels": 300,
        "modal_channels": 100,
        "heads": 2,
        "separate_stacks": True,
        "residual": False,
        "neighbor_features": False,
        "bottleneck": True,
    }
}


class IBMEA(nn.Module):
    r"""Multi-modal entity alignment with variational information bottlenecks
    (`arXiv:2407.19302 <https://arxiv.org/abs/2407.19302>`_).

    A learnable embedding per entity goes through a graph encoder, the features of each
    other modality through a :class:`ModalVIBEncoder`, and a :class:`ModalFusion` joins
    them. All graphs share the encoders' weights.

    The graph encoder is a :class:`RelationalVIBEncoder` or, with ``relational=False``,
    the paper's :class:`GraphVIBEncoder`. With ``share_seeds`` the entities of a seed
    pair share one embedding: whatever is next to one of them is then known to be next
    to the other. As such a pair would recognise itself at once, training withholds the
    embeddings of the pairs that it tests (see :meth:`forward`), so that they must be
    found by what is around them, as later the unknown pairs.

    With ``neighbor_features`` the mean features of an entity's neighbours are
    modalities of their own (``'neighbor_image'`` and so on): what is around an entity
    can be compared before any of it is known.

    Usually made by :meth:`from_data`.

    Args:
        num_nodes (dict): Number of entities by graph name.
        in_channels (dict): Feature channels by modality, ``'graph'`` excluded.
        use_graph (bool, optional): Whether the structure is a modality.
            (default: :obj:`True`)
        num_edge_types (int, optional): Edge types of the :class:`RelationalGraph`;
            unused with ``relational=False``. (default: :obj:`0`)
        seed_rows (torch.Tensor, optional): See :func:`seed_rows`. (default: every
            entity has an embedding of its own)
        relational (bool, optional): Which graph encoder. (default: :obj:`True`)
        graph_channels (int, optional): Channels of the entity embeddings.
            (default: :obj:`300`)
        modal_channels (int, optional): Channels of every other latent.
            (default: :obj:`100`)
        num_layers (int, optional): Graph layers. (default: :obj:`2`)
        heads (int, optional): Attention heads. (default: :obj:`1`)
        dropout (float, optional): Dropout between graph layers. (default: :obj:`0.3`)
        residual (bool, optional): Whether the modal encoders start from the features'
            own similarities; see :class:`ModalVIBEncoder`. (default: :obj:`True`)
        neighbor_features (bool, optional): Whether the features of neighbours are
            modalities, too; unused with ``relational=False`` or without the graph.
            (default: :obj:`True`)
        modal_dropout (float, optional): Dropout in the modal encoders.
            (default: :obj:`0.0`)
        separate_stacks (bool, optional): See :class:`GraphVIBEncoder`; unused with
            ``relational=True`` or without a bottleneck for the graph.
            (default: :obj:`False`)
        bottleneck (bool, str or collection of str, optional): The modalities that get
            a bottleneck; ``'features'`` for what describes the entity itself: all but
            the graph and its neighbours' features. (default: :obj:`'features'`)
        init_logstd (float, optional): Start of :math:`\log\sigma`.
            (default: :obj:`-3.0`)
        count_modalities (collection of str, optional): Modalities whose features are
            counts, which enter as :math:`\log(1 + n)`: the hundredth triple of a
            relation says less than the first. (default: :obj:`("relation",)`)
    """

    def __init__(
        self,
        num_nodes: Mapping[str, int],
        in_channels: Mapping[str, int],
        use_graph: bool = True,
        num_edge_types: int = 0,
        seed_rows: Tensor | None = None,
        relational: bool = True,
        graph_channels: int = 300,
        modal_channels: int = 100,
        num_layers: int = 2,
        heads: int = 1,
        dropout: float = 0.3,
        residual: bool = True,
        neighbor_features: bool = True,
        modal_dropout: float = 0.0,
        separate_stacks: bool = False,
        bottleneck: bool | str | Collection[str] = "features",
        init_logstd: float = -3.0,
        count_modalities: Collection[str] = ("relation",),
    ):
        # Before any other name is bound: what config.json of a saved model holds.
        self._options = {
            name: _as_json(value)
            for name, value in locals().items()
            if name not in ("self", "seed_rows", "__class__")
        }
        super().__init__()
        self.count_modalities = tuple(count_modalities)
        self.num_nodes = dict(num_nodes)
        self.neighbor_sources: list[str] = []
        if neighbor_features and relational and use_graph:
            self.neighbor_sources = list(in_channels)
        channels = _with_neighbors(in_channels, self.neighbor_sources)
        self.modalities = ([GRAPH] if use_graph else []) + list(channels)
        if bottleneck == "features":
            bottleneck = list(in_channels)
        chosen = select_bottlenecks(bottleneck, self.modalities)
        self.relational = relational
        self.embedding: EntityEmbedding | None = None
        self.graph_encoder: GraphVIBEncoder | RelationalVIBEncoder | None = None
        if use_graph:
            if seed_rows is None:
                seed_rows = torch.arange(sum(self.num_nodes.values()))
            self.embedding = EntityEmbedding(seed_rows, graph_channels)
            common: dict[str, Any] = {
                "num_layers": num_layers,
                "heads": heads,
                "dropout": dropout,
                "bottleneck": GRAPH in chosen,
                "init_logstd": init_logstd,
            }
            self.graph_encoder = (
                RelationalVIBEncoder(graph_channels, num_edge_types, **common)
                if relational
                # The union graph has its self-loops already.
                else GraphVIBEncoder(
                    graph_channels,
                    separate_stacks=separate_stacks,
                    add_self_loops=False,
                    **common,
                )
            )
        self.modal_encoder = ModalVIBEncoder(
            channels,
            modal_channels,
            bottleneck=chosen - {GRAPH},
            residual=residual,
            dropout=modal_dropout,
            init_logstd=init_logstd,
        )
        self.fusion = ModalFusion(self.modalities)

    @classmethod
    def from_data(
        cls,
        data: HeteroData,
        preset: str | None = None,
        modalities: Collection[str] | None = None,
        share_seeds: bool | None = None,
        **hyper: Any,
    ) -> IBMEA:
        """A model for one alignment problem.

        Args:
            data (HeteroData): The problem; see :mod:`pyg_ibmea.datasets`.
            preset (str, optional): ``'paper'`` for the published sizes; options in
                ``hyper`` take precedence.
            modalities (collection of str, optional): The modalities to use, in order.
                (default: the graph and every ``x_<modality>`` there is)
            share_seeds (bool, optional): Whether the entities of a training pair share
                their embedding. (default: :obj:`True`, and as the preset says)
            **hyper: Arguments of :class:`IBMEA`.

        Raises:
            ValueError: If the preset or a modality is unknown, or a modality differs in
                width between graphs.
        """
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"unknown preset {preset!r}; there is {sorted(PRESETS)}")
        available = feature_channels(data)
        wanted = [GRAPH, *available] if modalities is None else list(modalities)
        for modality in wanted:
            if modality != GRAPH and modality not in available:
                raise ValueError(
                    f"the data has no modality {modality!r}; it has "
                    f"{[GRAPH, *available]}"
                )
        hyper = {**(PRESETS[preset] if preset else {}), **hyper}
        share = hyper.pop("share_seeds", True) if share_seeds is None else share_seeds
        if GRAPH in wanted:
            if hyper.get("relational", True):
                hyper["num_edge_types"] = 2 * relation_numbers(data)[1]
            if share:
                hyper["seed_rows"] = seed_rows(data)
        return cls(
            num_nodes=entity_counts(data),
            in_channels={m: available[m] for m in wanted if m != GRAPH},
            use_graph=GRAPH in wanted,
            **hyper,
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Writes ``config.json`` and ``model.safetensors``, from which
        :meth:`from_pretrained` makes the same model.

        Args:
            folder (str or Path): The folder; it is made if it does not exist.

        Raises:
            ImportError: If safetensors is not installed.
        """
        save_pretrained(self, self._options, folder)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads what :meth:`save_pretrained` writes to the Hugging Face Hub.

        :meth:`from_pretrained` reads a folder: get it back by
        ``huggingface_hub.snapshot_download(repo_id)``.

        Args:
            repo_id (str): Owner and name; the repository is made if it is not there.
            **options: Arguments of ``huggingface_hub.HfApi.upload_folder``, such as
                ``token``, ``commit_message`` or ``revision``.

        Returns:
            str: The address of the commit.

        Raises:
            ImportError: If huggingface_hub or safetensors is not installed.
        """
        return push_to_hub(self, self._options, repo_id, **options)

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> IBMEA:
        """The model that :meth:`save_pretrained` wrote, in evaluation mode.

        Args:
            folder (str or Path): The folder.

        Raises:
            FileNotFoundError: If a file is missing.
            ImportError: If safetensors is not installed.
            ValueError: If a file is damaged or belongs to another model.
        """
        options, state = load_pretrained(cls, folder)
        try:
            model = cls(**options, seed_rows=state.get("embedding.seed_row"))
            model.load_state_dict(state)
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"{folder}: the weights do not fit the configuration: {error}"
            ) from error
        return model.eval()

    def reset_parameters(self) -> None:
        """Draws all weights anew."""
        if self.embedding is not None:
            self.embedding.reset_parameters()
        if self.graph_encoder is not None:
            self.graph_encoder.reset_parameters()
        self.modal_encoder.reset_parameters()
        self.fusion.reset_parameters()

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
    def extended(self, data: HeteroData) -> IBMEA:
        """A copy of the model that also encodes entities that were not in training.

        A new entity's own embedding is the mean of those of its known neighbours, and
        zero where it has none; everything else of the model is as it was. Nothing is
        trained.

        Args:
            data (HeteroData): The problem with further entities, which come after the
                known ones of their graph; see :func:`pyg_ibmea.data.add_entities`.

        Raises:
            ValueError: If graphs or modalities are others than the model's, entities
                are missing, or there are relations that the model does not know.

        Example:
            >>> from pyg_ibmea.data import add_entities
            >>> from pyg_ibmea.datasets import SyntheticMMKG
            >>> data = SyntheticMMKG(num_entities=100)[0]
            >>> model = IBMEA.from_data(data)
            >>> triple = ("new", "0", data.uri["source"][0])
            >>> more = add_entities(data, "source", ["new"], [triple])
            >>> new = torch.tensor([data["source"].num_nodes])
            >>> model.extended(more)(more, {"source": new}).z["source"].shape
            torch.Size([1, 2000])
        """
        options, state = extended(self, self._options, data)
        model = IBMEA(**options, seed_rows=state.get("embedding.seed_row"))
        model.load_state_dict(state)
        return model.to(self.fusion.score.device).train(self.training)

    def graph_of(self, data: HeteroData) -> RelationalGraph | EdgeIndex:
        """The graph that :meth:`forward` passes messages over; pass it there to build
        it only once.

        Args:
            data (HeteroData): The problem.
        """
        if not self.relational:
            return union_graph(data)
        return relational_graph(data)._replace(neighbors=self._neighbors(data))

    def _neighbors(self, data: HeteroData) -> NeighborFeatures:
        return neighbor_features(data, self.neighbor_sources, self.count_modalities)

    def forward(
        self,
        data: HeteroData,
        entities: Mapping[str, Tensor] | None = None,
        graph: RelationalGraph | EdgeIndex | None = None,
        withhold: bool = False,
    ) -> IBMEAOutput:
        """Encodes entities.

        Args:
            data (HeteroData): The problem.
            entities (dict, optional): Node ids ``{kg: [n]}`` to encode; graphs that
                are left out are not encoded. (default: all)
            graph (RelationalGraph or EdgeIndex, optional): What :meth:`graph_of`
                gave. (default: built anew)
            withhold (bool, optional): Whether to replace the own embeddings of
                ``entities`` by zeros, for themselves and for their neighbours.
                (default: :obj:`False`)
        """
        if entities is None:
            entities = {
                kg: torch.arange(size, device=self.fusion.score.device)
                for kg, size in self.num_nodes.items()
            }
        kl: dict[str, Tensor] = {}
        posteriors: dict[str, GaussianPosterior] = {}
        if self.graph_encoder is not None and graph is None:
            graph = self.graph_of(data)
        neighbors: NeighborFeatures = {}
        if isinstance(graph, RelationalGraph) and self.neighbor_sources:
            neighbors = graph.neighbors or self._neighbors(data)
        latents, masks = self._encode_modalities(
            data, entities, neighbors, kl, posteriors
        )
        if self.graph_encoder is not None:
            latent, mask = self._encode_graph(entities, graph, withhold, kl, posteriors)
            latents[GRAPH], masks[GRAPH] = latent, mask
        z = self.fusion(latents, masks)
        sizes = [index.numel() for index in entities.values()]

        def by_graph(rows: Tensor) -> dict[str, Tensor]:
            return dict(zip(entities, rows.split(sizes), strict=True))

        return IBMEAOutput(
            z=by_graph(z),
            latents={m: by_graph(latents[m]) for m in self.modalities},
            masks={m: by_graph(masks[m]) for m in self.modalities},
            kl={m: kl[m] for m in self.modalities if m in kl},
            posteriors=posteriors,
            weights=self.fusion.weights(),
        )

    def _encode_modalities(
        self,
        data: HeteroData,
        entities: Mapping[str, Tensor],
        neighbors: NeighborFeatures,
        kl: dict[str, Tensor],
        posteriors: dict[str, GaussianPosterior],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        latents, masks = {}, {}
        # One modality after the other: without gradients only one's features are held.
        for modality in self.modal_encoder.in_channels:
            x, mask = [], []
            for kg, index in entities.items():
                if modality in neighbors:
                    every, present = neighbors[modality][kg]
                else:
                    every = data[kg][f"x_{modality}"]
                    present = data[kg][f"mask_{modality}"]
                x.append(every.index_select(0, index))
                mask.append(present[index])
            features, masks[modality] = torch.cat(x), torch.cat(mask)
            if modality in self.count_modalities:
                features = features.log1p()
            latent, posterior = self.modal_encoder({modality: features}, masks)
            latents.update(latent)
            if modality in posterior:
                posteriors.update(posterior)
                kl[modality] = _mean_over(posterior[modality].kl(), masks[modality])
        return latents, masks

    def _encode_graph(
        self,
        entities: Mapping[str, Tensor],
        graph: RelationalGraph | EdgeIndex,
        withhold: bool,
        kl: dict[str, Tensor],
        posteriors: dict[str, GaussianPosterior],
    ) -> tuple[Tensor, Tensor]:
        assert self.graph_encoder is not None
        assert self.embedding is not None
        start = first_numbers(self.num_nodes)
        nodes = torch.cat([ids + start[kg] for kg, ids in entities.items()])
        x = self.embedding(nodes if withhold else None)
        latent, posterior = self.graph_encoder(x, graph, nodes)
        edge_index = graph.edge_index if isinstance(graph, RelationalGraph) else graph
        present = linked_nodes(edge_index, x.size(0))[nodes]
        if posterior is not None:
            posteriors[GRAPH] = posterior
            kl[GRAPH] = _mean_over(posterior.kl(), present)
        return torch.where(present[:, None], latent, latent.new_zeros(())), present

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_nodes}, {self.modalities})"


def _as_json(option: Any) -> Any:
    """An option as config.json can hold it."""
    if isinstance(option, Mapping):
        return dict(option)
    plain = isinstance(option, str) or not isinstance(option, Collection)
    return option if plain else list(option)


def _with_neighbors(
    in_channels: Mapping[str, int], sources: Collection[str]
) -> dict[str, int]:
    """The channels of all modalities, those of the neighbours of some among them."""
    for modality in sources:
        if PREFIX + modality in in_channels:
            raise ValueError(
                f"modality {PREFIX + modality!r} has the name of the features of "
                "neighbours: rename it or set neighbor_features=False"
            )
    return {**in_channels, **{PREFIX + m: in_channels[m] for m in sources}}


def _mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of the rows that are present; zero if there are none."""
    return torch.where(mask, values, values.new_zeros(())).sum() / mask.sum().clamp(
        min=1
    )
