"""Questions about single matches: by name, with the runner-up beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.align.explanation import Explanation
from pyg_ibmea.problem import Pair, links_of, pair_title
from pyg_ibmea.train._entity_names import Names
from pyg_ibmea.train._explaining import Explainer

_SUGGESTED = 3


def explain_match(
    problems: Mapping[Pair, HeteroData],
    names: Names,
    explainer: Callable[[Pair], Explainer],
    alignment: Alignment,
    confidence: Callable[[Pair, int, int], float | None],
    source: str,
    target: str | None = None,
    graphs: Pair | None = None,
    most: int = 5,
) -> Explanation:
    """Explains the match of an entity, or why it would get another.

    Args:
        problems (dict): The problem of each pair of graphs.
        names (Names): What entities are called.
        explainer (callable): Gives the explainer of a pair of graphs.
        alignment (Alignment): The matches.
        confidence (callable): Gives the probability that two entities match, by pair of
            graphs and node ids.
        source (str): URI of the source entity.
        target (str, optional): URI of the target entity. (default: the match that was
            found, with the runner-up beside it)
        graphs (tuple, optional): Names of the two graphs. (default: those that have
            the entities)
        most (int, optional): How many facts are told one by one. (default: :obj:`5`)

    Raises:
        ValueError: If an entity is not there or is in a known pair, or several pairs of
            graphs have both; the message says what to do.
    """
    pair = _pair_of(list(problems), names, source, target, graphs)
    node = names.node[pair[0]][source]
    _refuse_known(problems[pair], pair, 0, node, names)
    matches = alignment.between(*pair)
    rows = np.flatnonzero(matches.source == node)
    match = matches[rows[:1]]
    if target is None and not len(rows):
        raise ValueError(
            f"nothing was found for {source!r} in {pair[1]!r}: it has no candidates; "
            "name a target to see what speaks for it"
        )
    if target is not None:
        other = names.node[pair[1]][target]
        _refuse_known(problems[pair], pair, 1, other, names)
        targets = [other]
    else:
        targets = [int(match.target[0])]
        targets += [int(i) for i in match.runner_up[:1] if i >= 0]
    nodes = torch.tensor([[node] * len(targets), targets])
    found = [
        replace(one, confidence=confidence(pair, node, other))
        for one, other in zip(
            explainer(pair).explain(nodes, most), targets, strict=True
        )
    ]
    if len(rows) and int(match.target[0]) == targets[0]:
        found[0] = replace(found[0], is_match=True)
    elif len(rows):
        best = names.uri(pair[1], int(match.target[0]))
        note = f"the match that was found is {best}"
        found[0] = replace(found[0], notes=(*found[0].notes, note))
    return replace(found[0], runner_up=found[1]) if found[1:] else found[0]


def explain_all(
    explainer: Callable[[Pair], Explainer],
    names: Names,
    alignment: Alignment,
    most: int = 3,
) -> list[Explanation | None]:
    """Explains each match of an alignment, in its order.

    Args:
        explainer (callable): Gives the explainer of a pair of graphs.
        names (Names): What entities are called.
        alignment (Alignment): The matches; it may number entities in its own way.
        most (int, optional): How many facts are told one by one. (default: :obj:`3`)

    Returns:
        list: ``None`` for a match of entities of known pairs.

    Raises:
        ValueError: If an entity is not there.
    """
    found: list[Explanation | None] = [None] * len(alignment)
    for number, pair in enumerate(alignment.pairs):
        rows = np.flatnonzero(alignment.pair == number)
        nodes = _nodes(alignment, rows, pair, names)
        free = (explainer(pair).rows_of(nodes) >= 0).all(dim=0).cpu()
        told = explainer(pair).explain(nodes[:, free], most)
        for row, one in zip(rows[free.numpy()].tolist(), told, strict=True):
            sure = float(alignment.confidence[row])
            found[row] = replace(one, confidence=sure, is_match=True)
    return found


def _nodes(
    alignment: Alignment, rows: NDArray[np.int64], pair: Pair, names: Names
) -> Tensor:
    """Node ids of matches in the problem, long ``[2, L]``."""
    sides = []
    for kg, column in zip(pair, (alignment.source, alignment.target), strict=True):
        uris, number = alignment.uris[kg], names.node[kg]
        try:
            sides.append([number[uris[i]] for i in column[rows].tolist()])
        except KeyError as error:
            raise ValueError(
                f"the alignment names {error}, which is not in the graph {kg!r}; are "
                "the files those of the training?"
            ) from error
    return torch.tensor(sides, dtype=torch.long)


def _pair_of(
    pairs: list[Pair],
    names: Names,
    source: str,
    target: str | None,
    graphs: Pair | None,
) -> Pair:
    """The pair of graphs that has both entities."""
    if graphs is not None:
        graphs = (graphs[0], graphs[1])
        if graphs not in pairs:
            there = ", ".join(pair_title(pair) for pair in pairs)
            raise ValueError(
                f"there are no matches of {pair_title(graphs)}, but of {there}"
            )
        pairs = [graphs]
    with_source = [pair for pair in pairs if source in names.node[pair[0]]]
    if not with_source:
        turned = any(source in names.node[pair[1]] for pair in pairs)
        if turned and (
            target is None or any(target in names.node[p[0]] for p in pairs)
        ):
            raise ValueError(
                f"{source!r} is in the target graph; name the entity of the source "
                f"graph first ({', '.join(pair_title(pair) for pair in pairs)})"
            )
        raise ValueError(_unknown(source, [pair[0] for pair in pairs], names))
    found = with_source
    if target is not None:
        found = [pair for pair in with_source if target in names.node[pair[1]]]
        if not found:
            raise ValueError(_unknown(target, [p[1] for p in with_source], names))
    if len(found) > 1:
        raise ValueError(
            f"{source!r} is in several pairs of graphs; say which, as graphs=(A, B) or "
            f"--graphs A B: {', '.join(pair_title(pair) for pair in found)}"
        )
    return found[0]


def _unknown(uri: str, graphs: list[str], names: Names) -> str:
    """That there is no such entity, and which has a similar name."""
    graphs = list(dict.fromkeys(graphs))
    word = uri.lower()
    like = [known for kg in graphs for known in names.node[kg] if word in known.lower()]
    like.sort(key=len)
    meant = (
        f"; do you mean {' or '.join(map(repr, like[:_SUGGESTED]))}?" if like else ""
    )
    where = " and ".join(map(repr, graphs))
    return f"there is no entity {uri!r} in {where}{meant}"


def _refuse_known(
    problem: HeteroData, pair: Pair, side: int, node: int, names: Names
) -> None:
    links = torch.cat([links_of(problem, part) for part in ("train", "val")], dim=1)
    with_it = links[:, links[side] == node]
    if with_it.size(1):
        uris = [
            names.uri(kg, int(i)) for kg, i in zip(pair, with_it[:, 0], strict=True)
        ]
        raise ValueError(
            f"{uris[side]!r} is in the known pair {uris[0]} = {uris[1]}: it was given, "
            "not found, so there is nothing to explain"
        )
