import pytest
import torch

from pyg_ibmea.align import align_greedy, join_views, ranking_metrics, sinkhorn
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.train import (
    add_validation_pairs,
    align_unaligned,
    alignment_pair,
    evaluate,
    links_of,
    propose_pairs,
    share_right,
    unaligned_entities,
)


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=120)[0]


@pytest.fixture
def model(data):
    torch.manual_seed(0)
    return IBMEA.from_data(data, graph_channels=16, modal_channels=8)


def encode(model, data):
    with torch.no_grad():
        return model.eval()(data).z


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


def test_counterparts_are_the_candidates(data, model):
    z = encode(model, data)
    links = links_of(data, "test")
    for decoder in ("cosine", "csls"):
        expected = ranking_metrics(
            z["source"][links[0]], z["target"][links[1]], decoder=decoder
        )
        result = evaluate(model, data, "test", [decoder])[decoder]
        for name in ("hits@1", "hits@10", "mr", "mrr"):
            assert result[name] == pytest.approx(expected[name])
            assert result["mean"][name] == pytest.approx(expected["mean"][name])


def test_all_unaligned_entities_are_the_candidates(data, model):
    z = encode(model, data)
    links, seeds = links_of(data, "val"), links_of(data, "train")
    # By brute force over every entity that is in no training pair.
    free = [i for i in range(120) if i not in set(seeds[1].tolist())]
    unit = {kg: torch.nn.functional.normalize(rows) for kg, rows in z.items()}
    hits = 0
    for i, j in links.t().tolist():
        scores = {k: float(unit["source"][i] @ unit["target"][k]) for k in free}
        hits += max(scores, key=scores.get) == j
    result = evaluate(model, data, "val", ["cosine"], candidates="unaligned")["cosine"]
    assert result["hits@1"] == pytest.approx(hits / links.size(1))


def test_harder_candidates_cannot_help(data, model):
    easy = evaluate(model, data, "val", ["cosine"])["cosine"]
    hard = evaluate(model, data, "val", ["cosine"], candidates="unaligned")["cosine"]
    assert hard["mr"] >= easy["mr"]


def test_mode_is_restored_and_no_noise_is_drawn(data, model):
    model.train()
    state = torch.get_rng_state()
    first = evaluate(model, data, "val")
    assert model.training
    assert torch.get_rng_state().equal(state)
    assert evaluate(model, data, "val") == first
    model.eval()
    evaluate(model, data, "val")
    assert not model.training


def test_alignment_covers_every_unaligned_source_entity(data, model):
    z = encode(model, data)
    entities, alignment = align_unaligned(model, data, temperature=0.05)
    free_source, free_target = unaligned_entities(data, ("train", "val"))
    assert entities.equal(free_source)
    expected = align_greedy(z["source"][free_source], z["target"][free_target])
    assert alignment.target.equal(free_target[expected.target])
    torch.testing.assert_close(alignment.score, expected.score)
    seeds = torch.cat([links_of(data, part)[1] for part in ("train", "val")])
    assert not torch.isin(alignment.target, seeds).any()


def test_unknown_candidates(data, model):
    with pytest.raises(ValueError, match="got 'all'"):
        evaluate(model, data, "val", candidates="all")


def test_entity_in_two_parts_is_told(data, model):
    store = data["source", "same_as", "target"]
    train = store.train_mask.nonzero()[0]
    val = store.val_mask.nonzero()[0]
    store.edge_index[1, val] = store.edge_index[1, train]
    with pytest.raises(ValueError, match="is in a training pair too"):
        evaluate(model, data, "val", candidates="unaligned")


def test_proposals_are_mutual_sure_and_outside_the_training_pairs(data, model):
    entities = unaligned_entities(data, ("train",))
    z = encode(model, data)
    sides = [z[kg][ids] for kg, ids in zip(("source", "target"), entities, strict=True)]
    unit = [torch.nn.functional.normalize(side) for side in sides]
    f, g, *_ = sinkhorn(*sides, temperature=0.1)
    plan = ((unit[0] @ unit[1].t() + f[:, None] + g) / 0.1).exp()
    expected = {
        (int(entities[0][i]), int(entities[1][j]))
        for i, j in (plan >= 0.2).nonzero().tolist()
        if plan[i, j] == plan[i].max() and plan[i, j] == plan[:, j].max()
    }
    assert len(expected) > 5
    model.train()
    pairs = propose_pairs(model, data, threshold=0.2, sinkhorn_temperature=0.1)
    assert set(map(tuple, pairs.t().tolist())) == expected
    assert model.training


def test_proposals_do_not_depend_on_the_other_pairs(data, model):
    before = propose_pairs(model, data, 0.0)
    store = data["source", "same_as", "target"]
    unknown = ~store.train_mask
    targets = store.edge_index[1, unknown]
    store.edge_index[1, unknown] = targets[torch.randperm(targets.numel())]
    assert propose_pairs(model, data, 0.0).equal(before)


def test_share_of_pairs_that_are_right(data):
    (a, b), (c, _), *_ = links_of(data, "test").t().tolist()
    entities = (set(range(data[kg].num_nodes)) for kg in ("source", "target"))
    links = data["source", "same_as", "target"].edge_index.tolist()
    alone = [min(e - set(side)) for e, side in zip(entities, links, strict=True)]
    # One right, one wrong, one of two entities without counterpart.
    pairs = torch.tensor([[a, c, alone[0]], [b, b, alone[1]]])
    assert share_right(data, pairs) == {
        "pairs": 3,
        "right": pytest.approx(1 / 3),
        "right_of_known": 0.5,
    }
    nothing = {"pairs": 0, "right": 0.0, "right_of_known": 0.0}
    assert share_right(data, pairs[:, :0]) == nothing


def test_similarities_of_several_models_are_averaged(data, model):
    torch.manual_seed(1)
    other = IBMEA.from_data(data, graph_channels=16, modal_channels=8).train()
    models = [model, other]
    links = links_of(data, "test")
    views = [encode(model, data), encode(other, data)]
    source, target = (
        join_views([view[kg][side] for view in views])
        for kg, side in zip(("source", "target"), links, strict=True)
    )
    other.train()
    for decoder in ("cosine", "csls", "sinkhorn"):
        expected = ranking_metrics(
            source, target, decoder=decoder, sinkhorn_temperature=0.02
        )
        result = evaluate(models, data, "test", [decoder])[decoder]
        assert result["mrr"] == pytest.approx(expected["mrr"])
    assert other.training
    mean = sum(
        torch.nn.functional.normalize(view["source"][links[0]])
        @ torch.nn.functional.normalize(view["target"][links[1]]).t()
        for view in views
    )
    assert torch.allclose(source @ target.t(), mean / 2, atol=1e-5)
    one, _ = align_unaligned([model], data, temperature=0.1)
    assert one.equal(align_unaligned(models, data, temperature=0.1)[0])


def test_validation_pairs_become_training_pairs(data):
    before = {part: links_of(data, part).clone() for part in ("train", "val", "test")}
    known = add_validation_pairs(data)
    both = torch.cat([before["train"], before["val"]], dim=1).t().tolist()
    assert sorted(links_of(known, "train").t().tolist()) == sorted(both)
    assert links_of(known, "val").size(1) == 0
    assert links_of(known, "test").equal(before["test"])
    for part, links in before.items():
        assert links_of(data, part).equal(links)
