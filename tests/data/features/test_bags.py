from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.data.features.bags import (
    FeatureBags,
    attribute_bags,
    num_shared_columns,
    relation_bags,
)


def graph(
    name: str,
    relations: list[str],
    triples: list[tuple[int, int, int]],
    attributes: list[tuple[int, int]] | None = None,
    num_nodes: int = 4,
) -> KnowledgeGraph:
    has = None
    if attributes is not None:
        has = torch.tensor(attributes, dtype=torch.long).reshape(-1, 2).t()
    return KnowledgeGraph(
        name,
        [f"{name}/{i}" for i in range(num_nodes)],
        relations,
        torch.tensor(triples, dtype=torch.long).reshape(-1, 3),
        attributes=has,
        attribute_names=["x", "y", "z"],
    )


def recount(
    graphs: list[KnowledgeGraph], num_features: int, attribute: bool
) -> tuple[list[str], list[list[list[float]]]]:
    """Counts names node by node with plain dictionaries."""
    per_node: list[list[Counter[str]]] = []
    for g in graphs:
        nodes = [Counter[str]() for _ in g.entities]
        if attribute:
            for node, a in [] if g.attributes is None else g.attributes.t().tolist():
                nodes[node][g.attribute_names[a]] = 1
        else:
            for head, relation, tail in g.triples.tolist():
                nodes[head][g.relations[relation]] += 1
                nodes[tail][g.relations[relation]] += 1
        per_node.append(nodes)
    total = sum((c for nodes in per_node for c in nodes), Counter[str]())
    columns = sorted(total, key=lambda name: (-total[name], name))[:num_features]
    return columns, [[[float(c[n]) for n in columns] for c in ns] for ns in per_node]


def assert_same(bags: FeatureBags, expected: tuple[list[str], list]) -> None:
    columns, rows = expected
    assert bags.columns == columns
    for x, mask, row in zip(bags.x, bags.mask, rows, strict=True):
        assert x.layout == torch.sparse_coo
        assert x.is_coalesced()
        assert x.dtype == torch.float32
        assert x.to_dense().tolist() == row
        assert mask.tolist() == [any(r) for r in row]


def test_bags_of_a_hand_written_pair() -> None:
    zh = graph("zh", ["in", "near"], [(0, 0, 1), (1, 1, 2), (2, 1, 2)], [(0, 1)])
    en = graph("en", ["of", "near", "none"], [(0, 0, 1), (3, 1, 0)], [(0, 1), (2, 0)])
    bags = relation_bags([zh, en])
    # 'near' has 3 triples, 'in' and 'of' one each: their order is that of the URIs.
    assert bags.columns == ["near", "in", "of"]
    zh_rows = [[0.0, 1, 0], [1, 1, 0], [3, 0, 0], [0, 0, 0]]
    en_rows = [[1.0, 0, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert_same(bags, (bags.columns, [zh_rows, en_rows]))
    assert num_shared_columns(bags.x) == 1
    assert attribute_bags([zh, en]).columns == ["y", "x"]


TRIPLES = st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=12)
ATTRIBUTES = st.none() | st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8
)


@settings(max_examples=30)
@given(
    parts=st.lists(st.tuples(TRIPLES, ATTRIBUTES), min_size=2, max_size=3),
    num_features=st.integers(1, 5),
)
def test_bags_equal_a_naive_recount(parts: list, num_features: int) -> None:
    relations = ["in", "near", "of", "by"]
    graphs = [
        # Each graph lists its relations in its own order, and has one of them alone.
        graph(str(i), [*relations[i:], *relations[:i], f"own{i}"], triples, attributes)
        for i, (triples, attributes) in enumerate(parts)
    ]
    for bags, attribute in (relation_bags, False), (attribute_bags, True):
        expected = recount(graphs, num_features, attribute)
        assert_same(bags(graphs, num_features), expected)


def test_graph_without_attributes_has_an_empty_matrix() -> None:
    bags = attribute_bags([graph("a", [], [], [(0, 0)]), graph("b", [], [])])
    assert bags.x[1].shape == (4, 1)
    assert bags.x[1].is_sparse
    assert not bags.mask[1].any()
    assert num_shared_columns(bags.x) == 0


def test_num_features_below_one() -> None:
    with pytest.raises(ValueError, match="num_features must be at least 1"):
        relation_bags([graph("a", [], [])], num_features=0)
