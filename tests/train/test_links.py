import pytest
import torch
from three_graphs import three_graphs

from pyg_ibmea.train import (
    add_validation_pairs,
    alignment_pair,
    linked_pairs,
    links_of,
    pair_problems,
    seed_pairs,
)


def test_links_of_the_parts(data):
    parts = [links_of(data, part) for part in ("train", "val", "test")]
    together = torch.cat(parts, dim=1).t().tolist()
    links = data["source", "same_as", "target"].edge_index.t().tolist()
    assert sorted(together) == sorted(links)
    with pytest.raises(ValueError, match="got 'dev'"):
        links_of(data, "dev")


def test_pair(data):
    assert alignment_pair(data) == ("source", "target")
    del data["source", "same_as", "target"]
    with pytest.raises(ValueError, match="no graphs are linked by 'same_as'"):
        alignment_pair(data)


def test_problem_of_each_pair():
    data = three_graphs()
    with pytest.raises(ValueError, match=r"one pair .* pair_problems"):
        alignment_pair(data)
    problems = pair_problems(data)
    assert [alignment_pair(p) for p in problems] == linked_pairs(data)
    assert len(linked_pairs(data)) == 3  # The problem is as it was.
    for problem in problems:
        pair = alignment_pair(problem)
        store = data[pair[0], "same_as", pair[1]]
        wanted = store.edge_index[:, store.train_mask]
        assert links_of(problem, "train").equal(wanted)
        assert seed_pairs(data)[pair].equal(wanted)
        assert problem.node_types == data.node_types
        assert problem["a"].x_relation is data["a"].x_relation
    known = add_validation_pairs(data)
    assert all(links_of(p, "val").size(1) == 0 for p in pair_problems(known))
    assert all(links_of(p, "val").size(1) > 0 for p in problems)


def test_validation_pairs_become_training_pairs(data):
    before = {part: links_of(data, part).clone() for part in ("train", "val", "test")}
    known = add_validation_pairs(data)
    both = torch.cat([before["train"], before["val"]], dim=1).t().tolist()
    assert sorted(links_of(known, "train").t().tolist()) == sorted(both)
    assert links_of(known, "val").size(1) == 0
    assert links_of(known, "test").equal(before["test"])
    for part, links in before.items():
        assert links_of(data, part).equal(links)
