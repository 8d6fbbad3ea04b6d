from collections import Counter

import numpy as np
import pytest
from tiny_graphs import facts, said, tiny_problem

from pyg_ibmea.anchors._facts import Descriptions, Facts
from pyg_ibmea.problem import triples_of


@pytest.mark.parametrize("seed", range(3))
def test_a_triple_is_a_fact_of_both_ends(seed):
    data = tiny_problem(seed)
    store = triples_of(data, "a")
    heads, tails = store.edge_index.tolist()
    expected = set()
    for h, r, t in zip(heads, store.edge_type.tolist(), tails, strict=True):
        expected |= {(h, r, t), (t, r + 2, h)}
    found = facts(data)[0]
    assert said(found) == expected
    assert len(found.entity) == len(expected)  # Each once.
    assert (found.num_relations, found.num_directed, found.num_nodes) == (4, 2, 7)


def test_a_graph_without_triples_has_no_facts():
    data = tiny_problem(0)
    store = triples_of(data, "a")
    store.edge_index, store.edge_type = store.edge_index[:, :0], store.edge_type[:0]
    found = Facts.of(data, "a")
    assert (said(found), found.num_relations) == (set(), 0)
    assert Descriptions.of(found, 100).of_entity.shape == (7, 0)


@pytest.mark.parametrize("seed", range(3))
def test_descriptions_are_weighed_by_whom_they_describe(seed):
    own = facts(tiny_problem(seed))[0]
    of_description = Counter((n, r) for _, r, n in said(own))
    entities = Counter(r for _, r, _ in said(own))
    pairs = Counter(r for _, r in of_description)
    found = Descriptions.of(own, 2)
    kept = sorted(key for key, count in of_description.items() if count <= 2)
    columns = found.neighbor.tolist(), found.relation.tolist()
    assert list(zip(*columns, strict=True)) == kept
    expected = [(pairs[r] / entities[r] / of_description[n, r]) ** 0.5 for n, r in kept]
    np.testing.assert_allclose(found.identifying, expected)
    described = {
        (e, found.relation[c], found.neighbor[c])
        for e, c in zip(*found.of_entity.nonzero(), strict=True)
    }
    assert described == {f for f in said(own) if of_description[f[2], f[1]] <= 2}


def test_values_are_neighbours_after_all_entities():
    own = facts(tiny_problem(0))[0]
    more = own.with_values(np.array([3, 3]), np.array([1, 1]), np.array([2, 2]))
    assert said(more) - said(own) == {(3, 4 + 1, 7 + 2)}
    assert (more.num_nodes, more.num_relations, more.num_directed) == (10, 6, 2)
    none = np.empty(0, dtype=np.int64)
    assert own.with_values(none, none, none) is own
