import numpy as np
import pytest
import torch
from three_graphs import three_graphs
from tiny_graphs import tiny_problem

from pyg_ibmea.anchors import seed_problem
from pyg_ibmea.anchors.seeds import add_empty_links, has_seeds
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.problem import (
    check_problem,
    linked_pairs,
    links_of,
    pair_problems,
    set_labels,
)


@pytest.fixture
def data():
    """A hundred entities with one name each, and links that only judge."""
    data = SyntheticMMKG(num_entities=100)[0]
    for kg in data.node_types:
        set_labels(data, kg, [[f"name {i}"] for i in range(100)])
    store = data["source", "same_as", "target"]
    store.test_mask = torch.ones_like(store.train_mask)
    store.train_mask = store.val_mask = torch.zeros_like(store.train_mask)
    return data


def test_found_pairs_become_seed_pairs_and_known_ones_test_pairs(data):
    assert not has_seeds(data)
    set_labels(data, "source", [[f"name {i}"] if i < 60 else [] for i in range(100)])
    data = data.clone()
    for kg in data.node_types:
        for modality in ("image", "name"):
            del data[kg][f"x_{modality}"], data[kg][f"mask_{modality}"]
        data[kg, "rel", kg].edge_index = data[kg, "rel", kg].edge_index[:, :0]
        data[kg, "rel", kg].edge_type = data[kg, "rel", kg].edge_type[:0]
    links = data["source", "same_as", "target"].edge_index.clone()
    seeds = seed_problem(data)
    check_problem(seeds.data)
    assert has_seeds(seeds.data)
    found = [links_of(seeds.data, part) for part in ("train", "val", "test")]
    assert [ids.size(1) for ids in found[:2]] == [54, 6]
    together = torch.cat(found[:2], dim=1)
    assert sorted(together[0].tolist()) == list(range(60))
    assert together[0].tolist() == together[1].tolist()
    free = [(i, j) for i, j in links.t().tolist() if i >= 60 and j >= 60]
    assert found[2].t().tolist() == [list(pair) for pair in free]
    # What was given is as it was.
    assert torch.equal(data["source", "same_as", "target"].edge_index, links)
    assert seeds.sentences()[0].endswith("; 60 seed pairs follow")


def test_known_links_change_no_seed_pair(data):
    with_links = seed_problem(data)
    store = data["source", "same_as", "target"]
    store.edge_index = store.edge_index.flip(1)[:, :0]
    for part in ("train", "val", "test"):
        store[f"{part}_mask"] = store[f"{part}_mask"][:0]
    without = seed_problem(data)
    for part in ("train", "val"):
        one, other = (links_of(found.data, part) for found in (with_links, without))
        assert torch.equal(one, other)


def test_the_table_has_a_reason_for_each_seed_pair(data):
    seeds = seed_problem(data)
    header, *rows = [line.split("\t") for line in seeds.table().splitlines()]
    assert header == ["source", "target", "probability", "reason"]
    assert len(rows) == seeds.kept["source", "target"].sum()
    number = {uri: i for i, uri in enumerate(data.uri["source"])}
    for source, target, probability, reason in rows:
        assert data.uri["target"][number[source]] == target
        assert 0.9 <= float(probability) <= 1
        assert reason.startswith("equal labels ('name ")


def test_few_pairs_are_all_for_training():
    data = tiny_problem(2)
    for kg in "ab":
        set_labels(data, kg, [[f"name {i}"] for i in range(data[kg].num_nodes)])
    seeds = seed_problem(data)
    assert [links_of(seeds.data, p).size(1) for p in ("train", "val")] == [7, 0]


def test_graphs_without_links_are_linked_pair_by_pair():
    data = tiny_problem(2)
    del data["a", "same_as", "b"]
    linked = add_empty_links(data)
    check_problem(linked)
    assert linked_pairs(linked) == [("a", "b")]
    assert linked_pairs(data) == []
    assert add_empty_links(linked) is linked


def test_no_entity_is_joined_with_two_of_one_graph():
    data = three_graphs()
    graphs = list(data.node_types)
    size = {kg: int(data[kg].num_nodes) for kg in graphs}
    # The third graph calls the entities of the second otherwise than the first does.
    names = {kg: [[f"name {i}"] for i in range(size[kg])] for kg in graphs}
    names[graphs[1]] = [[f"name {i}", f"nom {i}"] for i in range(size[graphs[1]])]
    names[graphs[2]] = [[f"name {i}", f"nom {i + 1}"] for i in range(size[graphs[2]])]
    for kg in graphs:
        set_labels(data, kg, names[kg])
    seeds = seed_problem(data)
    assert seeds.dropped > 0
    joined = {}
    for (a, b), problem in pair_problems(seeds.data):
        for part in ("train", "val"):
            for i, j in links_of(problem, part).t().tolist():
                one = joined.setdefault((a, i), {(a, i)})
                other = joined.setdefault((b, j), {(b, j)})
                one |= other
                for node in one:
                    joined[node] = one
    for cluster in joined.values():
        assert len({kg for kg, _ in cluster}) == len(cluster)
    assert any("contradict those of other graphs" in s for s in seeds.sentences())
    assert np.all([kept.dtype == bool for kept in seeds.kept.values()])
