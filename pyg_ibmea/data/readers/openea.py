"""Reader of OpenEA's folders of two knowledge graphs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.data.builder import GraphBuilder
from pyg_ibmea.data.knowledge_graph import KnowledgeGraph
from pyg_ibmea.data.readers._rows import Row, read_rows

PathLike = str | os.PathLike[str]

_FOLD = ("train_links", "valid_links", "test_links")
_GRAPH = ("rel_triples", "attr_triples")


class OpenEAPair(NamedTuple):
    """Two knowledge graphs and their links, as read from OpenEA's folder.

    Attributes:
        source: The graph of the files that end in ``_1``.
        target: The graph of the files that end in ``_2``.
        links: Long ``[2, L]``: source and target node ids of the true pairs.
        masks: Bool ``[L]`` for training, validation and test by the published fold;
            None if there is none.
    """

    source: KnowledgeGraph
    target: KnowledgeGraph
    links: Tensor
    masks: tuple[Tensor, Tensor, Tensor] | None


def read_openea(
    folder: PathLike,
    names: tuple[str, str] = ("source", "target"),
    fold: int = 1,
    folds: str = "721_5fold",
) -> OpenEAPair:
    """Reads two knowledge graphs and their links as OpenEA publishes them.

    - ``rel_triples_{1,2}``: head TAB relation TAB tail
    - ``attr_triples_{1,2}``: entity TAB attribute TAB value (optional)
    - ``ent_links``: entity of side 1 TAB entity of side 2
    - ``721_5fold/{1..5}/{train,valid,test}_links``: the same, by part (optional)

    The layout is that of "A Benchmarking Study of Embedding-based Entity Alignment for
    Knowledge Graphs" (https://arxiv.org/abs/2003.07743). Entities are numbered in the
    order of the links, then of the triples.

    Args:
        folder (str or Path): The folder; it is only read.
        names (tuple, optional): Names of the two graphs.
            (default: :obj:`("source", "target")`)
        fold (int, optional): Number of the fold, from 1 on. (default: :obj:`1`)
        folds (str, optional): Folder of the folds. (default: :obj:`"721_5fold"`)

    Raises:
        FileNotFoundError: If a file is missing, or the folder of folds lacks the fold.
        ValueError: If a file is empty or malformed, or a fold holds a pair that
            ``ent_links`` lacks; the message names the line.
    """
    folder = Path(folder)
    pairs = list(dict.fromkeys(_rows(folder / "ent_links", 2)))
    builders = [GraphBuilder(name) for name in names]
    for pair in pairs:
        for builder, entity in zip(builders, pair, strict=True):
            builder.add_entity(entity)
    for side, builder in enumerate(builders, start=1):
        for head, relation, tail in _rows(folder / f"rel_triples_{side}", 3):
            builder.add_triple(head, relation, tail)
        path = folder / f"attr_triples_{side}"
        for entity, attribute, value in _rows(path, 3) if path.is_file() else ():
            builder.add_attribute(entity, attribute, value)
    source, target = (builder.build() for builder in builders)
    node = [{e: i for i, e in enumerate(g.entities)} for g in (source, target)]
    links = torch.tensor([[node[0][a], node[1][b]] for a, b in pairs]).t().contiguous()
    masks = None
    if (folder / folds).is_dir():
        masks = _masks(folder / folds / str(fold), pairs)
    return OpenEAPair(source, target, links, masks)


def _masks(folder: Path, pairs: list[Row]) -> tuple[Tensor, Tensor, Tensor]:
    if not folder.is_dir():
        there = sorted(path.name for path in folder.parent.iterdir())
        raise FileNotFoundError(
            f"there is no fold {folder.name} in {folder.parent}; there are "
            f"{', '.join(there)}"
        )
    place = {pair: i for i, pair in enumerate(pairs)}
    masks = []
    for part in _FOLD:
        mask = torch.zeros(len(pairs), dtype=torch.bool)
        for number, pair in enumerate(_rows(folder / part, 2), start=1):
            if pair not in place:
                raise ValueError(
                    f"{folder / part}, row {number}: {pair[0]!r}, {pair[1]!r} is not a "
                    "pair of ent_links"
                )
            mask[place[pair]] = True
        masks.append(mask)
    return masks[0], masks[1], masks[2]


def _rows(path: Path, width: int) -> list[Row]:
    columns = tuple(f"column {i + 1}" for i in range(width))
    return list(read_rows(path, columns, may_be_empty=columns[2:]))
