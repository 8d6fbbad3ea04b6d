"""What a training will take, told before hours are spent."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from torch_geometric.data import HeteroData

from pyg_ibmea.align.candidates import default_candidates
from pyg_ibmea.options import Options
from pyg_ibmea.problem import (
    GRAPH,
    entity_counts,
    linked_pairs,
    modalities_of,
    pair_problems,
    seed_pairs,
    triples_of,
    unaligned_entities,
)
from pyg_ibmea.train._parts import number_of_parts
from pyg_ibmea.train.encoding import takes_all

# Measured on one core of a server of 2023, with float32; see docs/large.md.
_FLOPS = 4e10  # Of products of large matrices.
_EDGE = 2.5e-9  # Seconds for an edge and channel of a layer, forward and backward.
_ROW = 1.5e-8  # For an entity and channel: embedding, optimiser, normalisation.
_PLACE = 4e-9  # For a row and each that it is compared with, to keep the nearest.
_CANDIDATE = 2.5e-7  # For a candidate: scaling, evidence, matching.
_HALO = 1.6  # Edges of a part with what is around it, per edge of its own.
_START = 0.8 * 2**30  # Memory of the libraries.
_EDGE_BYTES = 150  # Of the structure, in both directions, while it is made.
_TABLES = 5  # Embeddings, two moments, the average, the best.


@dataclass(frozen=True)
class Estimate:
    """What a training and its alignment will take, within a factor of about two.

    Attributes:
        seconds (float): Of one core.
        memory (float): Peak memory in bytes.
        disk (float): Bytes of the run folder and of temporary files.
        switches (tuple): Flags that bring down what is most, the first most.
        matching_epochs (float): How many epochs take as long as the matches do.
    """

    seconds: float
    memory: float
    disk: float
    switches: tuple[str, ...] = ()
    matching_epochs: float = 0.0

    def line(self) -> str:
        """A sentence."""
        hours = self.seconds / 3600
        time = (
            f"{hours:.1f} hours" if hours >= 2 else f"{self.seconds / 60:.0f} minutes"
        )
        return (
            f"estimate, within a factor of two: {time} of one core, "
            f"{self.memory / 2**30:.1f} GiB of memory, {self.disk / 2**30:.1f} GiB of "
            "disk"
        )

    def warnings(self, folder: Path) -> list[str]:
        """Sentences about what this machine lacks.

        Args:
            folder (Path): The run folder; it need not exist.
        """
        said = []
        advice = f"; {' or '.join(self.switches)} brings it down"
        there = memory_of_machine()
        if there and self.memory > there:
            said.append(
                f"about {self.memory / 2**30:.0f} GiB of memory are needed, and this "
                f"machine has {there / 2**30:.0f}{advice}"
            )
        while not folder.exists() and folder != folder.parent:
            folder = folder.absolute().parent
        free = shutil.disk_usage(folder).free
        if self.disk > free:
            said.append(
                f"about {self.disk / 2**30:.0f} GiB of disk are needed, and {folder} "
                f"has {free / 2**30:.0f} left{advice}"
            )
        return said


def estimate(
    data: HeteroData,
    options: Options | None = None,
    modalities: Collection[str] | None = None,
) -> Estimate:
    """Estimates what :meth:`~pyg_ibmea.Aligner.fit` and its matches will take on a CPU.

    Args:
        data (HeteroData): The problem.
        options (Options, optional): The options. (default: ``Options()``)
        modalities (collection of str, optional): The modalities to use.
            (default: all that the data have)

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> small = estimate(SyntheticMMKG(num_entities=100)[0])
        >>> small.memory < estimate(SyntheticMMKG(num_entities=5000)[0]).memory
        True
    """
    options = Options() if options is None else options
    model, training = options.model, options.training
    size = sum(entity_counts(data).values())
    edges = 2 * sum(triples_of(data, kg).edge_index.size(1) for kg in data.node_types)
    used = [m for m in modalities_of(data) if modalities is None or m in modalities]
    has_graph = modalities is None or GRAPH in modalities
    channels = model.graph_channels if has_graph else 0
    parts = (model.num_layers + 2 if model.relational else 1) * channels
    around = model.neighbor_features and model.relational and has_graph
    width = parts + model.modal_channels * len(used) * (1 + around)
    features = sum(_feature_bytes(data, name) for name in used)

    number = number_of_parts(size, training.parts)
    seeds = sum(links.size(1) for links in seed_pairs(data).values())
    free = sum(
        min(len(side) for side in unaligned_entities(problem, ("train",)))
        for _, problem in pair_problems(data)
    )
    proposes = options.pseudo_seeds.iterative
    found = seeds + free // 2 if proposes else seeds
    layers = model.num_layers + 1
    messages = edges * channels * layers * _EDGE
    halo = _HALO if number > 1 else 1.0

    def epoch(pairs: float) -> float:
        of_part = pairs / number
        steps = max(
            math.ceil(of_part / training.batch_size),
            math.ceil(1 / training.withhold) if training.withhold else 1,
        )
        batch: float = of_part / steps
        products = 12 * pairs * batch * width / _FLOPS
        rows = size * (channels + 0.2 * width) * _ROW
        step: float = halo * (messages + rows + features * 1e-10)
        return steps * step + products

    encode = messages / 3 + size * width * _ROW / 5 + features * 3e-10
    search, kept, queries = _search(data, options, width)
    judge, last = encode + queries, encode + search
    epochs, proposals = training.epochs, 0
    if proposes:
        later = epochs - options.pseudo_seeds.propose_from
        proposals = max(0, later // options.pseudo_seeds.propose_every + 1)
    seconds = epochs * (epoch(seeds) + 2 * epoch(found)) / 3
    seconds += epochs / training.eval_every * judge + proposals * last
    late = epoch(found) + judge / training.eval_every
    matching = 3 * last * max(1, training.refits)
    seconds += 2 * training.refits * training.refit_epochs * late + matching

    table = size * channels * 4
    z = size * width * 4 * max(1, training.refits)
    step = table / number * 6 + min(found, training.batch_size) * width * 80
    memory = _START + features + edges * _EDGE_BYTES + kept * 60
    memory += (table * _TABLES if table < 2**30 else table) + step + z
    disk = table * (_TABLES + 3 * (1 + 2 * training.refits)) + z
    switches = _switches(options, table, kept * 60, z)
    return Estimate(seconds, memory, disk, switches, matching / max(late, 1e-9))


def _search(
    data: HeteroData, options: Options, width: int
) -> tuple[float, float, float]:
    """Seconds to find and decode the candidates, their number, and seconds to judge an
    epoch.
    """
    seconds = count = judging = 0.0
    for _, problem in pair_problems(data):
        source, target = unaligned_entities(problem, ("train",))
        size = len(source), len(target)
        k = options.decoding.num_candidates or default_candidates(size)
        number = 1.3 * sum(size) * k
        if takes_all(size, options.decoding.search, options.decoding.num_candidates):
            seconds += 2.6 * size[0] * size[1] * width / _FLOPS
            judging += 2.6 * size[0] * size[1] * width / _FLOPS
        else:
            compared = sum(n * min(m, 16 * m**0.5) for n, m in (size, size[::-1]))
            cells = 2 * sum(size) * sum(n**0.5 for n in size)
            seconds += 2 * (compared + 2 * cells) * width / _FLOPS + compared * _PLACE
            judging += 5 * options.decoding.eval_queries * sum(size) * width / _FLOPS
        seconds += number * _CANDIDATE
        count += number
    return seconds, count / max(1, len(linked_pairs(data))), judging


def _feature_bytes(data: HeteroData, modality: str) -> float:
    total = 0.0
    for kg in data.node_types:
        x = data[kg].get(f"x_{modality}")
        if x is None:
            continue
        if x.is_sparse:
            total += x._values().nbytes + x._indices().nbytes
        else:
            total += x.nbytes
    return total


def _switches(
    options: Options, table: float, candidates: float, z: float
) -> tuple[str, ...]:
    fewer = max(16, options.model.graph_channels // 2)
    found = [(max(table * _TABLES, z), f"--graph-channels {fewer}")]
    found.append((candidates, "--num-candidates 20"))
    if options.training.refits:
        found.append((z / 2, "--refits 0"))
    return tuple(name for _, name in sorted(found, reverse=True))


def memory_of_machine() -> float:
    """The memory that this process may use, in bytes: that of the machine or of its
    control group; 0 where it is not known.
    """
    try:
        there = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 0.0
    if sys.platform == "linux":
        for name in ("memory.max", "memory/memory.limit_in_bytes"):
            try:
                there = min(there, float((Path("/sys/fs/cgroup") / name).read_text()))
            except (OSError, ValueError):  # No such group, or no limit.
                continue
    return there
