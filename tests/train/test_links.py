import pytest
import torch

from pyg_ibmea.train import (
    add_validation_pairs,
    alignment_pair,
    links_of,
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
    with pytest.raises(ValueError, match="one pair of linked graphs is needed"):
        alignment_pair(data)


def test_validation_pairs_become_training_pairs(data):
    before = {part: links_of(data, part).clone() for part in ("train", "val", "test")}
    known = add_validation_pairs(data)
    both = torch.cat([before["train"], before["val"]], dim=1).t().tolist()
    assert sorted(links_of(known, "train").t().tolist()) == sorted(both)
    assert links_of(known, "val").size(1) == 0
    assert links_of(known, "test").equal(before["test"])
    for part, links in before.items():
        assert links_of(data, part).equal(links)
