from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pyg_ibmea.align import value_agreement, value_correspondences
from pyg_ibmea.align._value_closeness import levels
from pyg_ibmea.align._value_learning import ValueCorrespondence
from pyg_ibmea.problem import Literals

SIZE = (90, 80)


def literals(rows: list[tuple[int, str, str]]) -> Literals:
    names = list(dict.fromkeys(name for _, name, _ in rows))
    return Literals(
        torch.tensor([entity for entity, _, _ in rows], dtype=torch.long),
        torch.tensor([names.index(name) for _, name, _ in rows], dtype=torch.long),
        [text for _, _, text in rows],
        names,
    )


def two_graphs(seed: int) -> tuple[Literals, Literals]:
    """Entity i of one is entity i of the other. Some lack a value, some have a wrong
    one, some have two; many share a colour.
    """
    random = np.random.default_rng(seed)
    rows: tuple[list[tuple[int, str, str]], ...] = ([], [])
    for entity in range(90):
        year, month = random.integers(1950, 1990), random.integers(1, 13)
        size = random.uniform(10, 1000)
        colour = random.choice(["red", "green", "blue"])
        for side, names in enumerate((("b", "s", "c"), ("born", "size", "colour"))):
            if entity >= SIZE[side]:
                continue
            if random.random() < 0.1:
                year = random.integers(1950, 1990)
            day = random.integers(1, 28)
            text = f"{year}-{month:02d}-{day:02d}" if side else f"{year}-{month:02d}"
            if random.random() < 0.8:
                rows[side].append((entity, names[0], text))
            if side and random.random() < 0.5:
                rows[side].append((entity, "year", str(year)))
            if random.random() < 0.8:
                rows[side].append(
                    (entity, names[1], f"{size * (1000 if side else 1):.0f}")
                )
            if random.random() < 0.2:
                rows[side].append((entity, names[1], f"{random.uniform(10, 1000):.0f}"))
            rows[side].append((entity, names[2], str(colour)))
    return literals(rows[0]), literals(rows[1])


def pairs(size: int) -> torch.Tensor:
    return torch.arange(size).repeat(2, 1)


def closest(one: ValueCorrespondence, i: int, j: int) -> int:
    """The closest level of the values of two entities, -1 if one of them has none."""
    found = [
        int(levels(one.source, np.array([a]), one.target, np.array([b]))[0])
        for a in np.flatnonzero(one.source.entity == i)
        for b in np.flatnonzero(one.target.entity == j)
    ]
    return min(found, default=-1)


def brute_force(learned: list[ValueCorrespondence]) -> torch.Tensor:
    """The agreement of all pairs of entities, one by one."""
    evidence: dict[tuple[int, int], list[tuple[str, str, float]]] = {}
    for one in learned:
        far = len(one.agreeing) - 1
        level = {
            (i, j): closest(one, i, j) for i in range(SIZE[0]) for j in range(SIZE[1])
        }
        level = {pair: at for pair, at in level.items() if 0 <= at < far}
        having = one.source.num_entities, one.target.num_entities
        for (i, j), at in level.items():
            of_source = sum(level.get((i, y)) == at for y in range(SIZE[1])) / having[1]
            of_target = sum(level.get((x, j)) == at for x in range(SIZE[0])) / having[0]
            found = math.log(one.agreeing[at] / max(of_source, of_target))
            if found > 0.5:
                row = (one.source.name, one.target.name, found)
                evidence.setdefault((i, j), []).append(row)
    dense = torch.zeros(SIZE)
    for pair, rows in evidence.items():
        sums = []
        for side in (0, 1):
            best: dict[str, float] = {}
            for row in rows:
                name = str(row[side])
                best[name] = max(best.get(name, 0.0), row[2])
            sums.append(sum(best.values()))
        dense[pair] = min(1.0, min(sums) / math.log(max(SIZE)))
    return dense


@pytest.mark.parametrize("seed", range(2))
def test_equals_brute_force(seed: int) -> None:
    source, target = two_graphs(seed)
    learned = value_correspondences(source, target, pairs(40))
    names = {(one.source.name, one.target.name) for one in learned}
    assert {("b", "born"), ("b", "year"), ("s", "size"), ("c", "colour")} <= names
    found = value_agreement(source, target, pairs(40), SIZE)
    assert found.is_sparse
    assert found.is_coalesced()
    expected = brute_force(learned)
    assert (expected > 0).sum() > 100
    torch.testing.assert_close(found.to_dense(), expected)


def test_counterparts_agree_most() -> None:
    source, target = two_graphs(2)
    found = value_agreement(source, target, pairs(40), SIZE).to_dense()
    unknown = torch.arange(40, 80)
    has = found[unknown].max(dim=1).values > 0.6
    right = found[unknown].argmax(dim=1) == unknown
    assert int(has.sum()) > 15
    assert float(right[has].double().mean()) > 0.8


def test_gives_no_weight_to_what_many_share() -> None:
    source, target = two_graphs(3)
    [colour] = [
        one
        for one in value_correspondences(source, target, pairs(40))
        if one.source.name == "c"
    ]
    found = value_agreement(source, target, pairs(40), SIZE, [colour]).to_dense()
    # A third have the colour: log 3 of log 90, at most.
    assert 0 < float(found.max()) < 1.5 * math.log(3) / math.log(90)


def test_few_known_pairs_and_values_that_single_out() -> None:
    random = np.random.default_rng(0)
    number = [f"{x:.2f}" for x in random.uniform(1e4, 1e6, 300)]
    places = random.permutation(300)
    text = [f"word {x}" for x in random.integers(0, 60, 300)]
    one = literals(
        [(i, "code", number[i]) for i in range(300)]
        + [(i, "word", text[i]) for i in range(300)]
    )
    other = literals(
        [(int(places[i]), "key", number[i]) for i in range(300)]
        + [(int(places[i]), "label", text[i]) for i in range(300)]
    )
    none = torch.empty(2, 0, dtype=torch.long)
    learned = value_correspondences(one, other, none)
    # The numbers single entities out, whose texts are then found to be the same.
    assert {("code", "key"), ("word", "label")} == {
        (c.source.name, c.target.name) for c in learned
    }
    found = value_agreement(one, other, none, (300, 300)).to_dense()
    assert found.argmax(dim=1).tolist() == places.tolist()


def test_no_values_give_an_empty_matrix() -> None:
    source, _ = two_graphs(4)
    none = literals([])
    found = value_agreement(source, none, pairs(5), SIZE)
    assert found.shape == SIZE
    assert found._nnz() == 0
    assert value_correspondences(none, none, pairs(5)) == []


def test_wrong_pairs_are_refused() -> None:
    source, target = two_graphs(5)
    with pytest.raises(ValueError, match=r"long \[2, L\], got torch.float32 \[2, 3\]"):
        value_agreement(source, target, torch.zeros(2, 3), SIZE)
