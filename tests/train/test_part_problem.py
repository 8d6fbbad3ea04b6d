"""A part of a problem holds what its members need, under the same relations."""

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import (
    check_problem,
    linked_pairs,
    relation_numbers,
    triples_of,
)
from pyg_ibmea.train import part_problem


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=80, avg_degree=3.0, dangling=True)[0]


def some_members(data, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        kg: torch.randperm(data[kg].num_nodes, generator=generator)[:15]
        for kg in data.node_types
    }


def triples_by_uri(data, kg):
    """Sorted (head, relation, tail), entities by URI and relations jointly."""
    store, numbers = triples_of(data, kg), relation_numbers(data)[0][kg]
    uris = data.uri[kg]
    rows = zip(*store.edge_index.tolist(), numbers[store.edge_type], strict=True)
    return sorted((uris[h], int(r), uris[t]) for h, t, r in rows)


def reached(data, kg, members, halo):
    """Entities and triples by breadth-first search."""
    inside, triples = set(members.tolist()), set()
    ends = list(zip(*triples_of(data, kg).edge_index.tolist(), strict=True))
    if halo == 0:
        triples = {i for i, (h, t) in enumerate(ends) if {h, t} <= inside}
    for _ in range(halo):
        triples = {i for i, two in enumerate(ends) if inside & set(two)}
        inside |= {node for i in triples for node in ends[i]}
    return sorted(inside), sorted(triples)


@pytest.mark.parametrize("halo", [0, 1, 2])
def test_members_their_halo_and_the_triples_among_them(data, halo):
    members = some_members(data)
    part, ids = part_problem(data, members, halo)
    check_problem(part)
    for kg in data.node_types:
        nodes, triples = reached(data, kg, members[kg], halo)
        assert ids[kg].tolist() == nodes
        assert part.uri[kg] == [data.uri[kg][i] for i in nodes]
        whole = data.clone()
        store = triples_of(whole, kg)
        store.edge_index = store.edge_index[:, triples]
        store.edge_type = store.edge_type[triples]
        assert triples_by_uri(part, kg) == triples_by_uri(whole, kg)
        for key in ("image", "name", "relation", "attribute"):
            x, mine = (d[kg][f"x_{key}"].to_dense() for d in (data, part))
            assert mine.equal(x[nodes])
            assert part[kg][f"mask_{key}"].equal(data[kg][f"mask_{key}"][nodes])


def test_links_are_those_between_members(data):
    members = some_members(data)
    part, ids = part_problem(data, members)
    (pair,) = linked_pairs(data)
    store, mine = data[pair[0], "same_as", pair[1]], part[pair[0], "same_as", pair[1]]
    inside = [set(members[kg].tolist()) for kg in pair]
    kept = [
        i
        for i, (a, b) in enumerate(store.edge_index.t().tolist())
        if a in inside[0] and b in inside[1]
    ]
    assert kept
    back = torch.stack([ids[kg][mine.edge_index[i]] for i, kg in enumerate(pair)])
    assert back.equal(store.edge_index[:, kept])
    for mask in ("train_mask", "val_mask", "test_mask"):
        assert mine[mask].equal(store[mask][kept])
    alone = [i for i, d in enumerate(store.dangling.tolist()) if d in inside[0]]
    assert alone
    assert ids[pair[0]][mine.dangling].equal(store.dangling[alone])
    assert mine.dangling_part.equal(store.dangling_part[alone])


@pytest.mark.parametrize("named", ["no", "one", "all"])
def test_relations_keep_their_joint_numbers(data, named):
    names = {kg: [f"r{i}" for i in range(50)] for kg in data.node_types}
    names["target"].reverse()
    if named == "all":
        data.relation_uri = names
    elif named == "one":
        data.relation_uri = {"target": names["target"]}
    part, _ = part_problem(data, {kg: torch.tensor([3]) for kg in data.node_types})
    (whole, count), (mine, own_count) = map(relation_numbers, (data, part))
    assert count == own_count
    for kg in data.node_types:
        used = triples_of(part, kg).edge_type
        assert used.numel()
        assert mine[kg][used].equal(whole[kg][used])


def test_a_member_is_encoded_as_in_the_whole_where_all_its_steps_are_inside(data):
    """Two layers see two steps: with that halo a part is exact for its members."""
    torch.manual_seed(0)
    model = IBMEA.from_data(data, graph_channels=8, modal_channels=4).eval()
    members = some_members(data)
    expected = model(data, members).z
    part, ids = part_problem(data, members, halo=2)
    local = {kg: torch.searchsorted(ids[kg], members[kg]) for kg in members}
    rows = torch.cat([ids["source"], ids["target"] + data["source"].num_nodes])
    state = model.state_dict()
    for name in ("row", "seed_row"):
        state[f"embedding.{name}"] = torch.arange(len(rows))
    state["embedding.weight"] = model.embedding()[rows]
    small = IBMEA(
        {kg: len(found) for kg, found in ids.items()},
        model.in_channels,
        num_edge_types=model.num_edge_types,
        options=model.options,
    )
    small.load_state_dict(state)
    found = small.eval()(part, local).z
    for kg in members:
        torch.testing.assert_close(found[kg], expected[kg])


def test_features_may_lie_in_a_file(data, tmp_path):
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (80, 128))
    array[:] = data["source"].x_image.numpy()
    data["source"].x_image = torch.from_numpy(array)
    members = some_members(data)
    part, ids = part_problem(data, members)
    assert part["source"].x_image.equal(torch.from_numpy(array[ids["source"].numpy()]))
    part["source"].x_image.zero_()
    assert array.any(axis=1).sum() > 40  # A copy.


def test_graph_without_triples_and_without_members(data):
    data["source", "rel", "source"].edge_index = torch.empty(2, 0, dtype=torch.long)
    data["source", "rel", "source"].edge_type = torch.empty(0, dtype=torch.long)
    members = {"source": torch.tensor([5, 2]), "target": torch.empty(0).long()}
    part, ids = part_problem(data, members)
    assert ids["source"].tolist() == [2, 5]
    assert part["target"].num_nodes == 0
    assert part["source", "same_as", "target"].edge_index.shape == (2, 0)


def test_all_graphs_need_members():
    data = HeteroData()
    data["a"].num_nodes = data["b"].num_nodes = 1
    with pytest.raises(ValueError, match=r"\['b'\] are missing; give empty ids"):
        part_problem(data, {"a": torch.tensor([0])})
