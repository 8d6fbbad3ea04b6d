"""Problems in which not all pairs are compared."""

import sys

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.align import ExactSearch, Similarity, candidates
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import links_of, unaligned_entities
from pyg_ibmea.train import DecodingOptions, evaluate
from pyg_ibmea.train import _training as training_module
from pyg_ibmea.train._confidence import align_with_confidence, calibrate
from pyg_ibmea.train._trained import TrainedModels
from pyg_ibmea.train.decoding import (
    check_search,
    encode_unaligned,
    neighborhood_bonus,
)
from pyg_ibmea.train.encoding import asked_links, rows_of
from pyg_ibmea.train.proposals import propose_pairs

PAIR = ("source", "target")
COMPLETE = DecodingOptions(search="exact", num_candidates=1000)


def close(found, expected):
    """The same figures to rounding."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            close(found[key], value)
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            close(one, other)
    else:
        assert found == (
            pytest.approx(expected, abs=2e-3)
            if isinstance(expected, float)
            else expected
        )


def test_few_pairs_need_no_candidates(data, model):
    assert encode_unaligned(model, data, DecodingOptions()) is None
    assert encode_unaligned(model, data, DecodingOptions(search="exact")) is None
    found = encode_unaligned(model, data, DecodingOptions(num_candidates=7))
    assert found.candidates.k == 7
    assert found.candidates.backend == "exact"
    for ids, expected in zip(
        found.entities, unaligned_entities(data, ("train",)), strict=True
    ):
        assert ids.equal(expected)


def test_every_question_has_the_same_answer_among_all_pairs(data, model):
    encoding = encode_unaligned(model, data, COMPLETE)
    size = encoding.candidates.size
    assert len(encoding.candidates) == size[0] * size[1]
    similarity = Similarity.of(*encoding.z, candidates=encoding.candidates)
    found = propose_pairs(model, data, 0.2, similarity=similarity)
    assert found.equal(propose_pairs(model, data, 0.2))
    assert found.size(1) > 0
    bonus = neighborhood_bonus(model, data, DecodingOptions())
    found = neighborhood_bonus(model, data, DecodingOptions(), encoding=encoding)
    torch.testing.assert_close(found.to_dense(), bonus.to_dense())
    decoders = ["cosine", "csls", "sinkhorn"]
    for part in ("counterparts", "unaligned"):
        options = (decoders, part, None, bonus)
        close(
            evaluate(model, data, "val", *options, encoding=encoding),
            evaluate(model, data, "val", *options),
        )
    options = DecodingOptions()
    judged = calibrate([model], data, options, bonus=bonus, encoding=encoding)
    expected = calibrate([model], data, options, bonus=bonus)
    assert judged.matches == expected.matches
    assert judged.threshold == pytest.approx(expected.threshold, abs=1e-3)
    rest = encoding.among(unaligned_entities(data, ("train", "val")))
    found, other = (
        align_with_confidence([model], data, expected, options, None, bonus, None, e)
        for e in (rest, None)
    )
    assert (found.source == other.source).all()
    assert (found.target == other.target).all()
    assert found.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_some_entities_keep_their_candidates(data, model, monkeypatch):
    encoding = encode_unaligned(model, data, DecodingOptions(num_candidates=5))
    monkeypatch.setattr(candidates, "EXACT_PAIRS", 10)
    entities = [ids[::2] for ids in encoding.entities]
    found = encoding.among(entities)
    for side, every in zip(found.z, encoding.z, strict=True):
        assert side.equal(every[::2])
    dense = torch.zeros(encoding.candidates.size)
    dense[tuple(encoding.candidates.pairs.long())] = 1.0
    assert found.candidates.pairs.long().equal(dense[::2, ::2].nonzero().t())
    assert encoding.among(encoding.entities) is encoding
    with pytest.raises(ValueError, match="an entity that is asked about was not"):
        encoding.among([torch.arange(data[kg].num_nodes) for kg in PAIR])


def test_rows_of_half_precision():
    z = torch.randn(9, 4).half()
    rows = torch.tensor([1, 5, 8])
    assert rows_of(z, rows).equal(z[rows])


def test_the_links_that_are_ranked_are_always_the_same(monkeypatch):
    links = torch.stack([torch.arange(100), torch.arange(100)])
    links[1, 1] = 0
    sides = [torch.arange(100)] * 2
    assert asked_links(links, sides, 10) is links
    monkeypatch.setattr(candidates, "EXACT_PAIRS", 10)
    found = asked_links(links, sides, 10)
    assert found.equal(asked_links(links, sides, 10))
    assert 10 <= found.size(1) <= 11
    assert asked_links(links, sides, 100) is links
    for most in range(1, 100):
        # Other counterparts of an entity are asked with it: they do not compete.
        targets = asked_links(links, sides, most)[1].tolist()
        assert targets.count(0) in (0, 2)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_tells_how_its_candidates_were_found(monkeypatch, tmp_path):
    monkeypatch.setattr(candidates, "EXACT_PAIRS", 1000)
    data = SyntheticMMKG(num_entities=120)[0]
    searches, encodings = [], []
    search = ExactSearch.nearest

    def nearest(self, source, target, k):
        searches.append((len(source), len(target)))
        return search(self, source, target, k)

    monkeypatch.setattr(ExactSearch, "nearest", nearest)
    encode = training_module.unaligned_similarity

    def counted(*args, **options):
        encodings.append(args[0])
        return encode(*args, **options)

    monkeypatch.setattr(training_module, "unaligned_similarity", counted)
    options = {
        "graph_channels": 8, "modal_channels": 4, "epochs": 4, "eval_every": 2,
        "iterative": True, "propose_from": 3, "propose_every": 2,
        "search": "exact", "num_candidates": 20, "eval_queries": 10,
    }  # fmt: skip
    aligner = Aligner(seed=0, progress=False, **options).fit(data, tmp_path / "run")
    # A proposal and the evaluation before it ask the same state of the model, and all
    # that is asked in the end is about one encoding. Each searches from both sides; an
    # evaluation without a proposal does not.
    assert len(encodings) == 1
    aligner.align()
    assert len(searches) == 2 * (1 + 1)
    metrics = aligner.metrics_
    found = metrics["candidates"]
    assert found["search"] == "exact"
    assert found["nearest"] == 20
    size = [len(side) for side in unaligned_entities(data, ("train",))]
    assert 20 * size[0] <= found["pairs"] <= 20 * sum(size)
    assert found["ranked"]["test"] < links_of(data, "test").size(1)
    assert 0.5 < found["recall"] <= 1
    again = Aligner.load(tmp_path / "run", data)
    assert again.options.decoding.num_candidates == 20


@pytest.mark.filterwarnings("ignore:neighbourhood agreement")
def test_figures_are_the_same_where_all_pairs_are_candidates(data, model):
    dense, among = (
        TrainedModels(data, o, [model], [model]).metrics()
        for o in (DecodingOptions(), COMPLETE)
    )
    assert among.pop("candidates")["recall"] == 1.0
    close(among, dense)


def test_a_search_that_cannot_run_is_named_at_once(monkeypatch, data):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr(candidates, "EXACT_PAIRS", 1000)
    with pytest.raises(ImportError, match=r'pip install "pyg_ibmea\[faiss\]", or'):
        check_search(data, DecodingOptions(search="hnsw"))
    for search in ("auto", "exact", "ivf"):
        check_search(data, DecodingOptions(search=search))
    with pytest.raises(ImportError, match="needs faiss"):
        Aligner(progress=False, epochs=1, search="hnsw").fit(data)


def test_queries_of_a_large_problem_are_judged_without_a_search(data, monkeypatch):
    from pyg_ibmea.train import evaluation

    model = IBMEA.from_data(data, graph_channels=8, modal_channels=4)
    expected = evaluate(model, data, "val", ["cosine"], "unaligned")["cosine"]
    found = evaluation.evaluate_queries(model, data, "val", "cosine")
    assert found["mean"] == pytest.approx(expected["mean"])
    assert found["target_to_source"] == pytest.approx(expected["target_to_source"])
    # CSLS sees the nearest queries only, which is not far off.
    by_csls = evaluate(model, data, "val", ["csls"], "unaligned")["csls"]
    found = evaluation.evaluate_queries(model, data, "val", "csls")
    assert abs(found["mean"]["mrr"] - by_csls["mean"]["mrr"]) < 0.1
    # With a similarity, nothing is encoded again.
    similarity = evaluation.unaligned_similarity(model, data)
    monkeypatch.setattr(evaluation, "encode_entities", None)
    again = evaluation.evaluate_queries(
        model, data, "val", "csls", similarity=similarity
    )
    assert again["mean"] == pytest.approx(found["mean"])
