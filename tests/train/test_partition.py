"""Parts of the graphs: whole, balanced, along the seed pairs, few triples between."""

import sys

import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.problem import links_of, triples_of
from pyg_ibmea.train import partition

pymetis = pytest.importorskip("pymetis")


def planted(blocks=4, size=60, seeds=20):
    """Two graphs of dense blocks with few triples between, under shuffled ids."""
    generator = torch.Generator().manual_seed(0)
    data, place = HeteroData(), {}
    for kg in ("a", "b"):
        count = blocks * size
        place[kg] = torch.randperm(count, generator=generator)
        block = torch.arange(blocks).repeat_interleave(size * 10)
        ends = torch.randint(size, (2, len(block)), generator=generator)
        inside = ends + block * size
        across = torch.randint(count, (2, 10), generator=generator)
        edge_index = place[kg][torch.cat([inside, across], dim=1)]
        data[kg].num_nodes = count
        triples_of(data, kg).edge_index = edge_index
        triples_of(data, kg).edge_type = torch.zeros_like(edge_index[0])
    known = torch.cat([torch.arange(seeds) + i * size for i in range(blocks)])
    link_to(data, ("a", "b"), torch.stack([place[kg][known] for kg in ("a", "b")]))
    of_block = torch.arange(blocks).repeat_interleave(size)
    truth = {kg: of_block[place[kg].argsort()] for kg in ("a", "b")}
    return data, truth


def link_to(data, pair, edge_index):
    store = data[pair[0], "same_as", pair[1]]
    store.edge_index = edge_index
    every = torch.ones_like(edge_index[0], dtype=torch.bool)
    store.train_mask, store.val_mask, store.test_mask = every, ~every, ~every


def loads(part, num_parts):
    return torch.bincount(torch.cat(list(part.values())), minlength=num_parts)


def test_planted_blocks_are_found():
    data, truth = planted()
    part = partition(data, 4)
    joint = [torch.cat(list(found.values())) for found in (part, truth)]
    seen = set(zip(*(side.tolist() for side in joint), strict=True))
    assert len(seen) == 4  # One part for each block, of both graphs.


@pytest.mark.parametrize("num_parts", [2, 3, 7])
def test_parts_cover_all_are_balanced_and_keep_seed_pairs(num_parts):
    data = SyntheticMMKG(num_entities=500, avg_degree=3.0)[0]
    part = partition(data, num_parts)
    assert {kg: len(found) for kg, found in part.items()} == {
        kg: data[kg].num_nodes for kg in data.node_types
    }
    count = loads(part, num_parts)
    assert len(count) == num_parts
    assert count.max() <= 1.1 * 1000 / num_parts
    assert count.min() >= 0.9 * 1000 / num_parts
    source, target = links_of(data, "train")
    assert part["source"][source].equal(part["target"][target])
    again = partition(data, num_parts)
    assert all(again[kg].equal(found) for kg, found in part.items())


def test_seed_moves_the_cut():
    data = SyntheticMMKG(num_entities=500)[0]
    one, other = (partition(data, 4, seed=seed) for seed in (0, 1))
    assert not one["source"].equal(other["source"])


def test_further_pairs_stay_together_too():
    data = SyntheticMMKG(num_entities=300)[0]
    pairs = links_of(data, "test")[:, :100]
    apart = partition(data, 5)
    assert not apart["source"][pairs[0]].equal(apart["target"][pairs[1]])
    part = partition(data, 5, pairs={("source", "target"): pairs})
    for source, target in (pairs, links_of(data, "train")):
        assert part["source"][source].equal(part["target"][target])


def test_validation_and_test_pairs_are_not_looked_at():
    data = SyntheticMMKG(num_entities=300)[0]
    part = partition(data, 4)
    store = data["source", "same_as", "target"]
    hidden = ~store.train_mask
    store.edge_index[1, hidden] = store.edge_index[1, hidden].flip(0)
    again = partition(data, 4)
    assert all(again[kg].equal(found) for kg, found in part.items())


def test_three_graphs_keep_chains_of_pairs():
    data, _ = planted()
    data["c"].num_nodes = 50
    triples_of(data, "c").edge_index = torch.empty(2, 0, dtype=torch.long)
    triples_of(data, "c").edge_type = torch.empty(0, dtype=torch.long)
    b = data["a", "same_as", "b"].edge_index[1, :30]
    link_to(data, ("b", "c"), torch.stack([b, torch.arange(30)]))
    part = partition(data, 3)
    a = data["a", "same_as", "b"].edge_index[0, :30]
    assert part["a"][a].equal(part["b"][b])
    assert part["b"][b].equal(part["c"][:30])
    count = loads(part, 3)
    assert count.max() <= 1.1 * 530 / 3


def test_graphs_without_triples_are_cut_evenly():
    data, _ = planted()
    for kg in ("a", "b"):
        triples_of(data, kg).edge_index = torch.empty(2, 0, dtype=torch.long)
        triples_of(data, kg).edge_type = torch.empty(0, dtype=torch.long)
    part = partition(data, 7)
    count = loads(part, 7)
    assert count.max() - count.min() <= 4
    source, target = links_of(data, "train")
    assert part["a"][source].equal(part["b"][target])


def test_entities_without_triples_fill_the_smaller_parts():
    data, _ = planted(blocks=2)
    data["a"].num_nodes += 60
    count = loads(partition(data, 2), 2)
    assert count.tolist() == [150, 150]


def test_number_of_parts_is_checked():
    data, _ = planted(blocks=1, size=3, seeds=1)
    for wrong in (0, 7):
        with pytest.raises(ValueError, match=f"into 1 to 6 parts, got {wrong}"):
            partition(data, wrong)


def test_without_pymetis_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)
    data, _ = planted()
    assert int(partition(data, 1)["a"].max()) == 0
    with pytest.raises(ImportError, match=r"pyg_ibmea\[scale\].*--parts 1"):
        partition(data, 2)
