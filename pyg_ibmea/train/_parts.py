"""Steps of a training: on the whole graphs, or on some parts of them at a time."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch_geometric.data import HeteroData

from pyg_ibmea.large import LARGE
from pyg_ibmea.nn.encoder.entity_embedding import EntityEmbedding
from pyg_ibmea.options import TrainingOptions
from pyg_ibmea.problem import Pair, entity_counts, first_numbers
from pyg_ibmea.train import processes
from pyg_ibmea.train._part_ranks import Held, Round
from pyg_ibmea.train._row_adamw import RowAdamW, Rows
from pyg_ibmea.train._team import Team
from pyg_ibmea.train.batches import num_batches
from pyg_ibmea.train.part_problem import part_problem
from pyg_ibmea.train.partition import need_pymetis, partition

# Entities of a part, of all graphs together, with parts=0.
_PART = 50_000
# Clusters that a step joins at random ("Cluster-GCN", arXiv 1905.07953): all triples
# between two of them are seen sooner or later, and so are all negatives.
_CLUSTERS = 2

Batches = Callable[[Mapping[Pair, Tensor]], list[tuple[Pair, Tensor]]]


class Step(NamedTuple):
    """What a step of a training sees.

    Attributes:
        model (Module): The model, which encodes entities of the step's problem.
        data (HeteroData): The problem.
        graph (object, optional): What the model's ``graph_of`` made of it.
        pair (tuple): Names of the two graphs.
        links (torch.Tensor): The seed pairs of the batch, node ids of the problem, long
            ``[2, B]``.
        rows (Rows, optional): The rows of the table of embeddings that the problem's
            entities have; ``None`` if the optimiser of the model has them all.
        round (Round, optional): In which every process has a part of its own; ``None``
            if all have the same one.
        number (int): Number of the step in the round.
    """

    model: Module
    data: HeteroData
    graph: object | None
    pair: Pair
    links: Tensor
    rows: Rows | None = None
    round: Round | None = None
    number: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether only other processes have a batch."""
        return self.round is not None and self.round.is_idle(self.number)


@dataclass
class Part:
    """Some entities and what is around them.

    Attributes:
        data (HeteroData): Their problem.
        ids (dict): By graph, the node ids that its entities had, ascending.
        graph (object): What the model's ``graph_of`` made of it.
        rows (torch.Tensor): Their rows of the table of embeddings, ascending.
        row (torch.Tensor): For each of the entities, graph after graph, which of these
            rows it has.
    """

    data: HeteroData
    ids: dict[str, Tensor]
    graph: object
    rows: Tensor
    row: Tensor

    def view(self, model: Any, weight: Parameter) -> Module:
        """The model with the embeddings of these entities only; all encoders are the
        same modules.

        Args:
            model (Module): The model.
            weight (Parameter): The embeddings of the rows.
        """
        view = copy.copy(model)
        view._modules = dict(model._modules)
        view.embedding = EntityEmbedding(self.row, weight.size(1), weight)
        view.num_nodes = {kg: len(found) for kg, found in self.ids.items()}
        found: Module = view.train(model.training)
        return found

    def local(self, pair: Pair, links: Tensor) -> Tensor:
        """Node ids of the part."""
        sides = zip(pair, links, strict=True)
        return torch.stack([torch.searchsorted(self.ids[kg], ids) for kg, ids in sides])


class Parts:
    """The parts of a problem that are trained on in turn.

    Args:
        model (Module): The model.
        data (HeteroData): The problem, on the device of the model.
        number (int): Groups of clusters that an epoch goes through.

    Raises:
        ImportError: If pymetis is not installed.
    """

    def __init__(self, model: Any, data: HeteroData, number: int):
        need_pymetis()
        self.model = model
        self.data = data
        self.number = number
        self.clusters: dict[str, Tensor] = {}
        # With fewer parts than processes, all work on the same one.
        count = processes.count()
        self.at_once = count if number >= count else 1

    @classmethod
    def of(cls, model: Any, data: HeteroData, number: int) -> Parts | None:
        """The parts that an option asks for; ``None`` for the whole graphs.

        Args:
            model (Module): The model.
            data (HeteroData): The problem.
            number (int): The option ``parts``.

        Raises:
            ImportError: If pymetis is needed and not installed.
            ValueError: If parts are asked for and the model cannot be trained in parts.
        """
        count = number_of_parts(sum(entity_counts(data).values()), number)
        if count == 1:
            return None
        if getattr(model, "embedding", model) is None:
            if number:
                warnings.warn(
                    "a model without the graph modality passes no messages, so there "
                    "is nothing to cut: parts is ignored",
                    stacklevel=2,
                )
            return None
        has_table = isinstance(getattr(model, "embedding", None), EntityEmbedding)
        if not (has_table and hasattr(model, "num_nodes") and _makes_graph(model)):
            if not number:
                return None
            raise ValueError(
                f"training in parts needs a model like IBMEA: {type(model).__name__} "
                "lacks an embedding (EntityEmbedding), num_nodes or graph_of(data); "
                "train on the whole graphs with parts=1"
            )
        return cls(model, data, count)

    def slower(self, num_pairs: Iterable[int], config: TrainingOptions) -> float:
        """Factor of the learning rate of the encoders, which every part updates: so
        many steps of an epoch on the whole graphs for each of one on the parts, 1 at
        most. With Adam, whose steps have the length of the learning rate, they go as
        far in an epoch as on the whole graphs.

        Args:
            num_pairs (iterable of int): Seed pairs of each pair of graphs.
            config (TrainingOptions): The options of the batches.
        """
        count = partial(
            num_batches, batch_size=config.batch_size, withhold=config.withhold
        )
        pairs = list(num_pairs)
        whole = sum(map(count, pairs))
        groups = math.ceil(self.number / self.at_once)
        cut = groups * sum(count(math.ceil(n / self.number)) for n in pairs)
        return min(1.0, whole / max(1, cut))

    def cut(self, pairs: Mapping[Pair, Tensor]) -> None:
        """Cuts the graphs anew.

        Args:
            pairs (dict): The pseudo-seeds by pair of graphs, which stay together as
                seed pairs do.
        """
        found = partition(self.data, self._num_clusters(), pairs)
        device = self.model.embedding.row.device
        self.clusters = {kg: part.to(device) for kg, part in found.items()}

    def steps(
        self,
        model: Any,
        optimizer: RowAdamW,
        links: Mapping[Pair, Tensor],
        batches: Batches,
    ) -> Iterator[Step]:
        """The steps of an epoch: every cluster is seen once.

        Args:
            model (Module): The model.
            optimizer (RowAdamW): That of the table of embeddings.
            links (dict): Seed pairs and pseudo-seeds, node ids long ``[2, L]`` by pair
                of graphs.
            batches (callable): Makes batches of those of a part.
        """
        for group in self._groups():
            found = self._part_with(model, group, links)
            if found is None:
                continue
            part, local = found
            rows = optimizer.take(part.rows)
            view = part.view(model, rows.weight)
            for pair, batch in batches(local):
                yield Step(view, part.data, part.graph, pair, batch, rows)
            optimizer.put(rows)

    def steps_at_once(
        self,
        model: Any,
        optimizer: RowAdamW,
        links: Mapping[Pair, Tensor],
        batches: Batches,
        team: Team,
    ) -> Iterator[Step]:
        """The steps of an epoch in which every process has a part of its own; all make
        as many steps, in some of which those with few batches are idle.

        Args:
            model (Module): See :meth:`steps`.
            optimizer (RowAdamW): See :meth:`steps`.
            links (dict): See :meth:`steps`.
            batches (callable): See :meth:`steps`; each process draws its own.
            team (Team): The processes.
        """
        groups = self._groups()
        for start in range(0, len(groups), team.count):
            mine, found = start + team.rank, None
            if mine < len(groups):
                found = self._part_with(model, groups[mine], links)
            if found is None:
                none = torch.empty(0, dtype=torch.long, device=optimizer.table.device)
                now = Round(optimizer, Held(none, 0), None, team)
                pair, ids = next(iter(links.items()))
                for number in range(now.num_steps):
                    yield Step(
                        *(model, self.data, None, pair, ids[:, :0], None),
                        *(now, number),
                    )
                now.finish()
                continue
            part, local = found
            rows = optimizer.take(part.rows)
            view, made = part.view(model, rows.weight), batches(local)
            now = Round(optimizer, Held(part.rows, len(made)), rows, team)
            for number in range(now.num_steps):
                pair, batch = made[min(number, len(made) - 1)]
                yield Step(
                    *(view, part.data, part.graph, pair, batch, rows), *(now, number)
                )
            now.finish()

    def _part_with(
        self, model: Any, group: Tensor, links: Mapping[Pair, Tensor]
    ) -> tuple[Part, dict[Pair, Tensor]] | None:
        """The part of some clusters and the links inside it; ``None`` without any."""
        inside = {kg: _among(found, group) for kg, found in self.clusters.items()}
        chosen = {
            pair: ids[:, inside[pair[0]][ids[0]] & inside[pair[1]][ids[1]]]
            for pair, ids in links.items()
        }
        if not any(ids.size(1) for ids in chosen.values()):
            return None
        part = self._part(model, inside)
        return part, {pair: part.local(pair, ids) for pair, ids in chosen.items()}

    def _num_clusters(self) -> int:
        size = sum(entity_counts(self.data).values())
        return min(self.number * _CLUSTERS, size)

    def _groups(self) -> Sequence[Tensor]:
        """Clusters that are joined in this epoch, long, at random."""
        with processes.same_draws():
            order = torch.randperm(self._num_clusters())
        return order.tensor_split(self.number)

    def _part(self, model: Any, inside: Mapping[str, Tensor]) -> Part:
        members = {kg: mask.nonzero().flatten() for kg, mask in inside.items()}
        data, ids = part_problem(self.data, members)
        first = first_numbers(entity_counts(self.data))
        nodes = torch.cat([found + first[kg] for kg, found in ids.items()])
        rows, row = model.embedding.row[nodes].unique(return_inverse=True)
        return Part(data, ids, model.graph_of(data), rows, row)


def number_of_parts(size: int, asked: int) -> int:
    """How many parts a training has.

    Args:
        size (int): Entities of all graphs together.
        asked (int): The option ``parts``; 0: by size.
    """
    if asked:
        return asked
    return 1 if size <= LARGE else math.ceil(size / _PART)


def _makes_graph(model: Any) -> bool:
    """Whether a model makes its graph from a problem."""
    return callable(getattr(model, "graph_of", None))


def _among(clusters: Tensor, group: Tensor) -> Tensor:
    """Which entities are in one of the clusters of a group."""
    return torch.isin(clusters, group.to(clusters.device))
