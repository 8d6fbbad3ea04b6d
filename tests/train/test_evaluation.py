import pytest
import torch

from pyg_ibmea.align import join_views, ranking_metrics
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import links_of
from pyg_ibmea.train import evaluate, evaluation
from pyg_ibmea.train.evaluation import encode_entities


def encode(model, data):
    with torch.no_grad():
        return model.eval()(data).z


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


def test_without_pairs_there_is_nothing_to_rank(data, model):
    data["source", "same_as", "target"].val_mask[:] = False
    with pytest.raises(ValueError, match="source - target links have no val pairs"):
        evaluate(model, data, "val")


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
        expected = ranking_metrics(source, target, decoder=decoder)
        result = evaluate(models, data, "test", [decoder])[decoder]
        assert result["mrr"] == pytest.approx(expected["mrr"])
    assert other.training
    mean = sum(
        torch.nn.functional.normalize(view["source"][links[0]])
        @ torch.nn.functional.normalize(view["target"][links[1]]).t()
        for view in views
    )
    assert torch.allclose(source @ target.t(), mean / 2, atol=1e-5)


def test_large_problems_are_encoded_by_chunks(monkeypatch):
    data = SyntheticMMKG(num_entities=120)[0]
    models = [IBMEA.from_data(data, graph_channels=8, modal_channels=4) for _ in "ab"]
    entities = {"source": torch.arange(7, 90), "target": torch.arange(120)}
    calls = []
    for model in models:
        encode = model.encode
        monkeypatch.setattr(
            model, "encode", lambda *a, e=encode: calls.append(1) or e(*a)
        )
    for asked in (models[:1], models):
        with monkeypatch.context() as small:
            small.setattr(evaluation, "LARGE", 10**9)
            expected = encode_entities(asked, data, entities)
        assert not calls
        with monkeypatch.context() as large:
            large.setattr(evaluation, "LARGE", 100)
            found = encode_entities(asked, data, entities)
        assert len(calls) == len(asked)
        calls.clear()
        for kg, z in found.items():
            torch.testing.assert_close(z, expected[kg], atol=1e-5, rtol=0)
