import pytest
import torch

from pyg_ibmea.align import (
    match_evidence,
    match_probabilities,
    mutual_nearest,
    neighborhood_agreement,
    ranking_metrics,
)
from pyg_ibmea.train import (
    TrainConfig,
    align_with_confidence,
    calibrate,
    evaluate,
    links_of,
    neighborhood_bonus,
    propose_pairs,
    unaligned_entities,
)

PAIR = ("source", "target")


def encode(model, data):
    with torch.no_grad():
        z = model.eval()(data).z
    return [z[kg] for kg in PAIR]


def by_hand(model, data, known, weight=0.7, temperature=0.03):
    """The bonus, dense, from the embeddings of all entities."""
    z, entities = encode(model, data), unaligned_entities(data, known)
    chosen = [side[ids] for side, ids in zip(z, entities, strict=True)]
    matches = torch.zeros(len(z[0]), len(z[1]))
    found = match_probabilities(*chosen, 0.1, temperature).to_dense()
    matches[entities[0][:, None], entities[1]] = found
    for part in known:
        matches[tuple(links_of(data, part))] = 1.0
    edges = [
        (store.edge_index, store.edge_type)
        for store in (data[kg, "rel", kg] for kg in PAIR)
    ]
    return weight * neighborhood_agreement(matches.to_sparse(), *edges).to_dense()


@pytest.mark.parametrize("known", [("train",), ("train", "val")])
def test_known_pairs_and_matches_vouch_for_their_neighbours(data, model, known):
    bonus = neighborhood_bonus(model, data, 0.7, known, 0.03)
    assert bonus.is_sparse
    torch.testing.assert_close(bonus.to_dense(), by_hand(model, data, known))
    assert bonus.to_dense().max() > 0.1
    assert neighborhood_bonus(model, data, 0.0, known) is None


def test_other_pairs_are_not_looked_at(data, model):
    before = neighborhood_bonus(model, data, 1.0).to_dense()
    store = data["source", "same_as", "target"]
    known = store.train_mask
    store.edge_index = store.edge_index[:, known]
    for part in ("train", "val", "test"):
        store[f"{part}_mask"] = store[f"{part}_mask"][known]
    assert neighborhood_bonus(model, data, 1.0).to_dense().equal(before)


def test_where_all_is_known_only_that_counts(data, model):
    store = data["source", "same_as", "target"]
    entities = torch.arange(data["source"].num_nodes)
    store.edge_index = torch.stack([entities, entities % data["target"].num_nodes])
    store.train_mask = torch.ones_like(entities, dtype=torch.bool)
    bonus = neighborhood_bonus(model, data, 1.0)
    assert bonus.shape == (data["source"].num_nodes, data["target"].num_nodes)
    assert (bonus.values() > 0).all()


def test_it_enters_ranks_proposals_and_matches(data, model):
    config = TrainConfig(sinkhorn_temperature=0.03, neighbor_agreement=0.7)
    z = encode(model, data)

    def part(known):
        entities = unaligned_entities(data, known)
        sides = [side[ids] for side, ids in zip(z, entities, strict=True)]
        bonus = by_hand(model, data, known)[entities[0][:, None], entities[1]]
        return entities, sides, bonus.to_sparse()

    links = links_of(data, "test")
    bonus = neighborhood_bonus(model, data, 0.7, ("train", "val"), 0.03)
    result = evaluate(model, data, "test", ["csls"], bonus=bonus)["csls"]
    expected = ranking_metrics(
        z[0][links[0]],
        z[1][links[1]],
        bonus=bonus.to_dense()[links[0][:, None], links[1]].to_sparse(),
    )
    assert result["mean"] == pytest.approx(expected["mean"])
    assert result != evaluate(model, data, "test", ["csls"])["csls"]

    entities, sides, added = part(("train",))
    rows, score = mutual_nearest(
        *sides, decoder="sinkhorn", sinkhorn_temperature=0.03, bonus=added
    )
    rows = rows[:, (score / 0.03).exp() >= 0.2]
    expected = torch.stack([ids[r] for ids, r in zip(entities, rows, strict=True)])
    assert propose_pairs(model, data, 0.2, 0.03, None, 0.7).equal(expected)

    trust = calibrate(model, data, config)
    plain = calibrate(model, data, TrainConfig(sinkhorn_temperature=0.03))
    assert trust.right.state_dict() != plain.right.state_dict()
    found = align_with_confidence([model], data, trust, config)
    entities, sides, added = part(("train", "val"))
    evidence = match_evidence(*sides, trust.decoder, 3, 0.03, bonus=added)
    assert found.target.equal(entities[1][evidence.target])
    torch.testing.assert_close(found.confidence, trust.right(evidence.features))
