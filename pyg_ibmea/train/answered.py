"""A problem with what people said of pairs, and where that contradicts itself."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from pyg_ibmea.align.forbidding import is_among
from pyg_ibmea.problem import (
    PARTS,
    Pair,
    dangling_of,
    different_of,
    linked_pairs,
    links_between,
    links_of,
    pair_problems,
    uris_of,
)
from pyg_ibmea.train.answers import DIFFERENT, SAME, Answer, standing

_SHOWN = 3


@dataclass
class Answered:
    """A problem with answers.

    Attributes:
        data (HeteroData): The problem: what is the same is among the training pairs,
            what is different in ``different`` of the links.
        same (int): Number of answers that are training pairs now.
        different (int): Number of pairs that are known to be different now.
        notes (list): A sentence for each kind of answer that could not be used, or that
            contradicts something, with the number of them and examples.
    """

    data: HeteroData
    same: int = 0
    different: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass
class _Said:
    """The answers about a pair of graphs, as node ids."""

    same: list[tuple[int, int]] = field(default_factory=list)
    different: list[tuple[int, int]] = field(default_factory=list)


def with_answers(data: HeteroData, answers: Iterable[Answer]) -> Answered:
    """Adds what people said of pairs to a problem.

    Pairs that are the same become training pairs. Pairs that are different are never
    proposed, never matched and never training pairs. An answer that contradicts another
    or a known pair decides nothing: neither of two such answers is used, and a note
    tells of them. Test pairs are no knowledge: where an answer contradicts one, the
    answer counts, and the pair is no test pair any more.

    Args:
        data (HeteroData): The problem; it is not modified.
        answers (iterable of Answer): The answers, oldest first.

    Returns:
        Answered: The problem and the notes.

    Raises:
        ValueError: If an answer is about graphs that are not linked.

    Example:
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=100)[0]
        >>> name = data.uri["source"][0], data.uri["target"][7]
        >>> found = with_answers(data, [Answer("source", "target", *name, "different")])
        >>> found.different, found.notes
        (1, [])
    """
    found = Answered(copy.copy(data))
    said = _numbered(data, standing(answers), found.notes)
    for pair, problem in pair_problems(data):
        if pair in said:
            _use(found, problem, pair, said[pair])
    return found


def _numbered(
    data: HeteroData, answers: Sequence[Answer], notes: list[str]
) -> dict[Pair, _Said]:
    """The answers as node ids; those of unknown entities are noted."""
    uris = uris_of(data)
    number = {kg: {uri: i for i, uri in enumerate(uris[kg])} for kg in data.node_types}
    pairs = linked_pairs(data)
    said: dict[Pair, _Said] = {}
    unknown = []
    for answer in answers:
        if answer.answer not in (SAME, DIFFERENT):
            continue
        graphs, names = answer.graphs, (answer.source, answer.target)
        if graphs not in pairs:
            graphs, names = graphs[::-1], names[::-1]
        if graphs not in pairs:
            raise ValueError(
                f"an answer is about the graphs {' and '.join(answer.graphs)}, which "
                f"are not linked; linked are {pairs}"
            )
        ids = [number[kg].get(name) for kg, name in zip(graphs, names, strict=True)]
        source, target = ids
        if source is None or target is None:
            unknown.append(_shown(*names))
            continue
        of_pair = said.setdefault(graphs, _Said())
        kind = of_pair.same if answer.answer == SAME else of_pair.different
        if (source, target) not in kind:
            kind.append((source, target))
    _unused(notes, unknown, "name an entity that the graphs do not have")
    return said


def _use(found: Answered, problem: HeteroData, pair: Pair, said: _Said) -> None:
    """Adds the answers about a pair of graphs, as far as nothing contradicts them."""
    names = [uris_of(problem)[kg] for kg in pair]

    def told(pairs: Iterable[tuple[int, int]]) -> list[str]:
        return [_shown(names[0][i], names[1][j]) for i, j in pairs]

    both = set(said.same) & set(said.different)
    _unused(found.notes, told(sorted(both)), "call a pair the same and different")
    same = [two for two in said.same if two not in both]
    different = [two for two in said.different if two not in both]
    twice = {two for side in (0, 1) for two in _of_several(same, side)}
    _unused(found.notes, told(sorted(twice)), "give an entity two counterparts")
    same = [two for two in same if two not in twice]
    parts = [links_of(problem, part).t().tolist() for part in ("train", "val")]
    known = {(i, j) for part in parts for i, j in part}
    taken = [{two[side] for two in known} for side in (0, 1)]
    bare = [dangling_of(problem, part) for part in ("train", "val")]
    alone = set(torch.cat(bare).tolist())
    against = [
        two
        for two in same
        if two not in known and (two[0] in taken[0] or two[1] in taken[1])
    ]
    against += [two for two in different if two in known]
    _unused(found.notes, told(against), "contradict a known pair")
    lonely = [two for two in same if two[0] in alone]
    _unused(found.notes, told(lonely), "join an entity known to have no counterpart")
    refused = {*against, *lonely}
    same = [two for two in same if two not in refused and two not in known]
    different = [two for two in different if two not in refused]
    shut = _write(found.data, problem, pair, _tensor(same), _tensor(different))
    what = "answers that contradict a test pair, which does not count any more"
    _note(found.notes, told(shut), what)
    found.same += len(same)
    found.different += len(different)


def _write(
    data: HeteroData, problem: HeteroData, pair: Pair, same: Tensor, different: Tensor
) -> list[tuple[int, int]]:
    """Writes answers into the links of two graphs; returns the test pairs that they
    contradict.
    """
    store = links_between(data, pair)
    links = store.edge_index
    same, different = same.to(links.device), different.to(links.device)
    test = store.test_mask
    is_same = is_among(links, same)
    touched = torch.isin(links[0], same[0]) | torch.isin(links[1], same[1])
    shut = test & ((touched & ~is_same) | is_among(links, different))
    store.test_mask = test & ~touched & ~shut
    store.train_mask = store.train_mask | is_same
    more = same[:, ~is_among(same, links)]
    if more.size(1):
        store.edge_index = torch.cat([links, more], dim=1)
        for part in PARTS:
            added = torch.full((more.size(1),), part == "train", device=links.device)
            store[f"{part}_mask"] = torch.cat([store[f"{part}_mask"], added])
    every = torch.cat([different_of(problem), different], dim=1)
    if every.size(1):
        store.different = every.unique(dim=1)
    if "dangling" in store:
        kept = ~torch.isin(store.dangling, same[0])
        store.dangling = store.dangling[kept]
        store.dangling_part = store.dangling_part[kept]
    return [(i, j) for i, j in links[:, shut].t().tolist()]


def _of_several(pairs: Sequence[tuple[int, int]], side: int) -> list[tuple[int, int]]:
    """The pairs whose entity on a side is in several."""
    count: dict[int, int] = {}
    for two in pairs:
        count[two[side]] = count.get(two[side], 0) + 1
    return [two for two in pairs if count[two[side]] > 1]


def _tensor(pairs: Sequence[tuple[int, int]]) -> Tensor:
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()


def _shown(source: str, target: str) -> str:
    return f"{source} - {target}"


def _unused(notes: list[str], pairs: Sequence[str], why: str) -> None:
    _note(notes, pairs, f"answers that are not used, as they {why}")


def _note(notes: list[str], pairs: Sequence[str], what: str) -> None:
    """Adds a sentence about some pairs, if there are any."""
    if pairs:
        number = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
        shown = "; ".join(pairs[:_SHOWN]) + ("; ..." if len(pairs) > _SHOWN else "")
        notes.append(f"{what}: {number}, such as {shown}")
