import pytest
import torch
from three_graphs import three_graphs
from tiny_graphs import tiny_problem
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Alignment
from pyg_ibmea.anchors import align_without_seeds, match_without_seeds
from pyg_ibmea.anchors.seedless import pairs_of_graphs
from pyg_ibmea.problem import set_labels


def test_matches_are_one_to_one_with_runners_up(tmp_path):
    data = tiny_problem(2)
    set_labels(data, "a", [[f"name {i}"] for i in "abcdefg"])
    set_labels(data, "b", [[f"name {i}"] for i in "bacdefgh"])
    found = align_without_seeds(data)
    target = dict(zip(found.source.tolist(), found.target.tolist(), strict=True))
    assert target == {0: 1, 1: 0, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6}
    assert found.decoder == {("a", "b"): "fixed_point"}
    assert found.calibrated == {("a", "b"): False}
    assert (found.confidence > 0.9).all()
    pairs = match_without_seeds(data, ("a", "b")).found.pairs
    for match, runner_up, margin in zip(
        found.source, found.runner_up, found.margin, strict=True
    ):
        of_match = pairs.take(pairs.row == match)
        others = of_match.take(of_match.column != target[int(match)])
        best = others.value.max(initial=0)
        own = of_match.value[of_match.column == target[int(match)]].item()
        assert margin == pytest.approx(own - best)
        if runner_up >= 0:
            assert others.value[others.column == runner_up].item() == best
        else:
            assert len(others.row) == 0
    found.save(tmp_path / "alignment.tsv")
    assert len(Alignment.load(tmp_path / "alignment.tsv")) == 7


def test_three_graphs_are_aligned_pair_by_pair():
    data = three_graphs()
    for kg in data.node_types:
        set_labels(data, kg, [[f"name {i}"] for i in range(data[kg].num_nodes)])
    bare = HeteroData.from_dict(data.to_dict())
    for kind in list(bare.edge_types):
        if kind[1] == "same_as":
            del bare[kind]
    assert len(pairs_of_graphs(bare)) == 3
    found = align_without_seeds(bare)
    assert len(found.pairs) == 3
    for pair in found.pairs:
        own = found.between(*pair)
        assert (own.source == own.target).all()
        assert len(own) == min(int(data[kg].num_nodes) for kg in pair)


def test_where_nothing_identifies_anything_the_message_says_what_helps():
    data = tiny_problem(0)
    with pytest.raises(ValueError, match=r"nothing identifies .* \(a - b\).*--links"):
        align_without_seeds(data)
    set_labels(data, "a", [["same"]] * 7)
    set_labels(data, "b", [["same"]] * 8)
    with pytest.raises(ValueError, match="a - b: 15 entities are called 'same'"):
        align_without_seeds(data)


def test_entities_without_uris_are_called_by_number():
    data = tiny_problem(2)
    for kg in "ab":
        set_labels(data, kg, [[f"name {i}"] for i in range(data[kg].num_nodes)])
    del data.uri, data.relation_uri
    assert torch.is_tensor(data["a", "rel", "a"].edge_type)
    found = align_without_seeds(data)
    assert sorted((m.source, m.target) for m in found) == [
        (str(i),) * 2 for i in range(7)
    ]
