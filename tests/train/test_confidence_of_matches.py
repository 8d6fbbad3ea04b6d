from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch_geometric.data import HeteroData

from pyg_ibmea.align import CSLS, Cosine, Sinkhorn
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.problem import dangling_of, links_of, unaligned_entities
from pyg_ibmea.train import DecodingOptions
from pyg_ibmea.train._confidence import (
    _best_threshold,
    align_with_confidence,
    calibrate,
    confidence_metrics,
    matches_of_test,
    number_alike,
)
from pyg_ibmea.train._novelty import known_modalities, shared_kinds, shrink_novel
from pyg_ibmea.train.evaluation import encode_entities

PAIR = ("source", "target")


@pytest.fixture
def options():
    return DecodingOptions(sinkhorn_temperature=0.05)


def evidence_of(z, name):
    decoders = {"csls": CSLS(), "sinkhorn": Sinkhorn(0.05)}
    [(evidence, _)] = match_evidence(*z.values(), [decoders[name]], *decoders.values())
    return evidence


def with_dangling(data):
    """Half of the source entities without a link are said to have no counterpart."""
    store = data["source", "same_as", "target"]
    free = torch.ones(data["source"].num_nodes, dtype=torch.bool)
    free[store.edge_index[0]] = False
    store.dangling = free.nonzero().flatten()
    store.dangling_part = torch.arange(store.dangling.numel()) % 3
    return data


def test_matches_cover_every_unaligned_source_entity(data, model, options):
    judgement = calibrate([model], data, options)
    found = align_with_confidence([model], data, judgement, options)
    free_source, free_target = unaligned_entities(data, ("train", "val"))
    assert found.source.tolist() == free_source.tolist()
    z = encode_entities(
        model, data, dict(zip(PAIR, (free_source, free_target), strict=True))
    )
    evidence = evidence_of(z, found.decoder[PAIR])
    assert found.target.tolist() == free_target[evidence.target].tolist()
    assert found.runner_up.tolist() == free_target[evidence.runner_up].tolist()
    assert found.score.tolist() == evidence.score.tolist()
    assert found.margin.tolist() == evidence.margin.tolist()
    known = [known_modalities([model], data, kg) for kg in PAIR]
    kinds = shared_kinds(known, free_source, free_target[evidence.target])
    prior = judgement.share * judgement.matches["precision"]
    expected = judgement.right(evidence.features)
    expected = shrink_novel(expected, kinds, judgement.kinds, prior)
    assert found.confidence.tolist() == expected.tolist()
    seeds = torch.cat([links_of(data, part)[1] for part in ("train", "val")])
    assert not set(found.target.tolist()) & set(seeds.tolist())
    assert found.threshold[PAIR] == judgement.threshold
    assert found[0].source == data.uri["source"][int(free_source[0])]


def test_the_decoder_is_the_one_with_more_right(data, model, options):
    judgement = calibrate([model], data, options)
    entities = unaligned_entities(data, ("train",))
    z = encode_entities(model, data, dict(zip(PAIR, entities, strict=True)))
    links = links_of(data, "val")
    row, true = (
        torch.searchsorted(e, side) for e, side in zip(entities, links, strict=True)
    )
    right = {
        d: int((evidence_of(z, d).target[row] == true).sum())
        for d in ("csls", "sinkhorn")
    }
    found = align_with_confidence([model], data, judgement, options)
    assert right[found.decoder[PAIR]] == max(right.values())
    assert ["csls", "sinkhorn"][judgement.choice] == found.decoder[PAIR]
    # Of one's own there is no choice.
    own = calibrate([model], data, options, decoder=Cosine())
    found = align_with_confidence([model], data, own, options, decoder=Cosine())
    assert found.decoder[PAIR] == "cosine"
    unaligned = unaligned_entities(data, ("train", "val"))
    z = encode_entities(model, data, dict(zip(PAIR, unaligned, strict=True)))
    best = (F.normalize(z["source"]) @ F.normalize(z["target"]).t()).argmax(1)
    assert found.target.tolist() == unaligned[1][best].tolist()


def test_without_validation_pairs_confidence_is_not_calibrated(data, model, options):
    store = data["source", "same_as", "target"]
    store.train_mask |= store.val_mask
    store.val_mask = torch.zeros_like(store.val_mask)
    judgement = calibrate([model], data, options)
    found = align_with_confidence([model], data, judgement, options)
    assert ((found.confidence >= 0.5) & (found.confidence <= 1)).all()
    metrics = confidence_metrics(data, judgement, found)
    assert not metrics["calibrated"]
    assert found.calibrated == {PAIR: False}
    assert "not calibrated" in repr(found)
    assert metrics["coverage"][-1]["coverage"] == 1


def test_metrics_of_confidence_against_a_loop(data, model, options):
    data = with_dangling(data)
    judgement = calibrate([model], data, options)
    found = align_with_confidence([model], data, judgement, options)
    metrics = confidence_metrics(data, judgement, found)
    true = dict(links_of(data, "test").t().tolist())
    lonely = set(dangling_of(data, "test").tolist())
    rows = [
        (j == true.get(i), c, i in lonely)
        for i, j, c in zip(
            found.source.tolist(), found.target.tolist(), found.confidence.tolist(),
            strict=True,
        )
        if i in true or i in lonely
    ]  # fmt: skip
    assert len(rows) == len(true) + len(lonely)
    hits = sum(right for right, _, _ in rows)
    assert metrics["coverage"][-1]["precision"] == pytest.approx(hits / len(rows))
    assert metrics["coverage"][-1]["recall"] == pytest.approx(hits / len(true))
    below = [alone for _, c, alone in rows if c < judgement.threshold]
    expected = 2 * sum(below) / max(1, len(below) + len(lonely))
    assert metrics["dangling"]["f1"] == pytest.approx(expected)


def test_known_entities_without_counterpart_lower_the_confidence(data, model, options):
    before = calibrate([model], data, options)
    after = calibrate([model], with_dangling(data), options)
    known, lonely = (
        sum(size(part) for part in ("train", "val"))
        for size in (
            lambda part: links_of(data, part).size(1),
            lambda part: dangling_of(data, part).numel(),
        )
    )
    assert after.share == known / (known + lonely) < before.share
    assert after.threshold > before.threshold
    sure = [
        align_with_confidence([model], data, judgement, options).confidence.mean()
        for judgement in (before, after)
    ]
    assert sure[1] < sure[0]


def test_parts_of_the_entities_without_counterpart(data):
    assert dangling_of(data, "train").numel() == 0
    data = with_dangling(data)
    parts = [dangling_of(data, part) for part in ("train", "val", "test")]
    everything = data["source", "same_as", "target"].dangling
    assert torch.cat(parts).sort()[0].equal(everything)
    with pytest.raises(ValueError, match="got 'all'"):
        dangling_of(data, "all")


def test_best_threshold_by_brute_force():
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(40, generator=generator).double()
    missing = torch.rand(40, generator=generator) > confidence
    weight = torch.rand(40, generator=generator).double()

    def f1(threshold):
        found = confidence < threshold
        both = float(weight[found & missing].sum())
        return 2 * both / float(weight[found].sum() + weight[missing].sum())

    threshold = _best_threshold(confidence, missing, weight)
    assert f1(threshold) == pytest.approx(max(f1(c + 1e-9) for c in confidence))
    assert _best_threshold(confidence, missing & False, weight) == 0


def test_right_matches_are_counted_among_all_unaligned_entities(data, model, options):
    """Of what is written, not of a ranking among the counterparts."""
    judgement = calibrate([model], data, options)
    found = align_with_confidence([model], data, judgement, options)
    true = set(map(tuple, links_of(data, "test").t().tolist()))
    written = zip(found.source.tolist(), found.target.tolist(), strict=True)
    right = sum(pair in true for pair in written)
    figures = matches_of_test(data, found)
    assert (figures["right"], figures["asked"]) == (right, len(true))
    assert figures["precision"] == pytest.approx(right / len(true))
    # The validation pairs are asked among all entities outside the training pairs.
    entities = unaligned_entities(data, ("train",))
    z = encode_entities(model, data, dict(zip(PAIR, entities, strict=True)))
    best = [evidence_of(z, name).target for name in ("csls", "sinkhorn")]
    val = links_of(data, "val")
    row = torch.searchsorted(entities[0], val[0])
    counts = [int((entities[1][target[row]] == val[1]).sum()) for target in best]
    asked = judgement.matches
    assert (asked["right"], asked["asked"]) == (max(counts), val.size(1))
    low, high = asked["interval"]
    assert low <= asked["precision"] <= high


def test_no_figure_where_no_pairs_are_held_out(data, model, options):
    store = data["source", "same_as", "target"]
    store.train_mask |= store.val_mask | store.test_mask
    store.val_mask = store.test_mask = torch.zeros_like(store.val_mask)
    judgement = calibrate([model], data, options)
    found = align_with_confidence([model], data, judgement, options)
    assert judgement.matches == matches_of_test(data, found) == {}


class Given(torch.nn.Module):
    """A model of given vectors that uses names only."""

    modalities = ("name",)

    def forward(self, data, entities, graph=None):
        z = {kg: data[kg].x_name[ids] for kg, ids in entities.items()}
        return SimpleNamespace(z=z)


@pytest.fixture
def dull():
    """Sixty entities that are known by name, and a thousand without any feature, whose
    vectors are all the same; of 18 validation pairs all are right.
    """
    known, unknown = 60, 1000
    x = F.normalize(torch.randn(known, 32, generator=torch.Generator().manual_seed(0)))
    data = HeteroData()
    for kg, constant in (("source", 0.1), ("target", 0.0)):
        vectors = torch.full((unknown, 32), constant)
        data[kg].x_name = torch.cat([x, vectors])
        data[kg].mask_name = torch.arange(known + unknown) < known
        data[kg].num_nodes = known + unknown
        data[kg, "rel", kg].edge_index = torch.empty(2, 0, dtype=torch.long)
        data[kg, "rel", kg].edge_type = torch.empty(0, dtype=torch.long)
    store = data["source", "same_as", "target"]
    store.edge_index = torch.arange(known).repeat(2, 1)
    place = torch.arange(known)
    store.train_mask = place < 20
    store.val_mask = (place >= 20) & (place < 38)
    store.test_mask = place >= 38
    return data


@pytest.mark.parametrize("decoder", [None, Cosine()])
def test_entities_without_evidence_get_no_confidence(dull, options, decoder):
    judgement = calibrate([Given()], dull, options, decoder=decoder)
    assert (judgement.matches["right"], judgement.matches["asked"]) == (18, 18)
    found = align_with_confidence([Given()], dull, judgement, options, decoder=decoder)
    named = torch.from_numpy(found.source) < 60
    confidence = torch.from_numpy(found.confidence)
    candidates = 1060 - 38
    assert confidence[~named].max() <= 1 / candidates
    assert found.calibrated == {PAIR: True}
    # Few validation pairs are no reason to be sure of the others, either.
    assert 0.8 < confidence[named].median() <= 19 / 20
    assert confidence.max() <= 19 / 20


def test_uncalibrated_confidence_knows_of_evidence_too(dull, options):
    store = dull["source", "same_as", "target"]
    store.train_mask |= store.val_mask
    store.val_mask = torch.zeros_like(store.val_mask)
    judgement = calibrate([Given()], dull, options)
    found = align_with_confidence([Given()], dull, judgement, options)
    assert (found.confidence[found.source >= 60] <= 1 / (1060 - 38)).all()


def test_what_is_told_of_an_entity(data, model):
    class GraphOnly:
        modalities = ("graph",)

    found = known_modalities([model], data, "source")
    store = data["source"]
    degree = torch.zeros(store.num_nodes, dtype=torch.long)
    for node in data["source", "rel", "source"].edge_index.flatten().tolist():
        degree[node] += 1
    masks = {name[5:]: m for name, m in store.items() if name.startswith("mask_")}
    names = ["graph", *sorted(masks)]
    for node in range(store.num_nodes):
        told = [
            bool(degree[node] > 0 if name == "graph" else masks[name][node])
            for name in names
        ]
        assert found[node].tolist() == told
    alone = known_modalities([GraphOnly()], data, "source")
    assert alone.flatten().equal(degree > 0)
    assert known_modalities([Given()], data, "source").flatten().equal(store.mask_name)


def test_a_kind_of_match_that_no_validation_pair_is_of_is_not_sure(dull, options):
    """All validation pairs have a name and a picture; ten of those asked no picture."""
    for kg in PAIR:
        store = dull[kg]
        store.x_image = store.x_name
        store.mask_image = store.mask_name & (torch.arange(1060) < 50)

    class Both(Given):
        modalities = ("name", "image")

    judgement = calibrate([Both()], dull, options)
    found = align_with_confidence([Both()], dull, judgement, options)
    assert judgement.kinds.tolist() == [3] * 18
    confidence = dict(zip(found.source.tolist(), found.confidence, strict=True))
    known = [confidence[i] for i in range(38, 50)]
    novel = [confidence[i] for i in range(50, 60)]
    plain = calibrate([Given()], dull, options)
    given = align_with_confidence([Given()], dull, plain, options)
    before = dict(zip(given.source.tolist(), given.confidence, strict=True))
    assert max(novel) <= judgement.share * judgement.matches["precision"]
    for i, now in zip(range(38, 50), known, strict=True):
        assert now == pytest.approx(before[i])


def test_novelty_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(30, generator=generator)
    kinds = torch.randint(0, 5, (30,), generator=generator)
    judged = torch.tensor([0, 0, 0, 2, 4, 4])
    found = shrink_novel(confidence, kinds, judged, prior=0.4)
    for p, kind, now in zip(confidence.tolist(), kinds.tolist(), found, strict=True):
        n = sum(other | kind == kind for other in judged.tolist())
        assert float(now) == pytest.approx((n * p + min(p, 0.4)) / (n + 1))
    nothing = shrink_novel(confidence, kinds, judged[:0], prior=0.4)
    assert nothing.equal(confidence.clamp(max=0.4))


@pytest.mark.parametrize(
    ("share", "bare"), [(0.5, 0), (0.8, 0), (1.0, 0), (0.8, 500), (0.8, 2000)]
)
def test_the_share_with_a_counterpart_is_estimated(share, bare, options):
    """Of 800 names a share is on the other side, too; 120 pairs are validation. Of some
    more source entities nothing is known.
    """
    generator = torch.Generator().manual_seed(1)
    x = F.normalize(torch.randn(800, 24, generator=generator))
    own = F.normalize(torch.randn(800, 24, generator=generator))
    noise = 0.1 * torch.randn(800, 24, generator=generator)
    both = torch.arange(800) < 120 + share * 680
    data = HeteroData()
    for kg, x_name in (
        ("source", x),
        ("target", F.normalize(torch.where(both[:, None], x + noise, own))),
    ):
        data[kg].x_name, data[kg].num_nodes = x_name, 800
        data[kg].mask_name = torch.ones(800, dtype=torch.bool)
        if kg == "source" and bare:
            store = data[kg]
            store.num_nodes += bare
            store.x_name = torch.cat([x, torch.zeros(bare, 24)])
            store.mask_name = torch.arange(800 + bare) < 800
        data[kg, "rel", kg].edge_index = torch.empty(2, 0, dtype=torch.long)
        data[kg, "rel", kg].edge_type = torch.empty(0, dtype=torch.long)
    store = data["source", "same_as", "target"]
    store.edge_index = torch.arange(120).repeat(2, 1)
    store.val_mask = torch.ones(120, dtype=torch.bool)
    store.train_mask = store.test_mask = ~store.val_mask
    judgement = calibrate([Given()], data, options)
    assert judgement.share == pytest.approx(share, abs=0.06)
    found = align_with_confidence([Given()], data, judgement, options)
    named = found[found.source < 800]
    right = torch.from_numpy(named.target == named.source) & both[named.source]
    mean = float(named.confidence.mean())
    assert mean == pytest.approx(float(right.double().mean()), abs=0.06)


def test_what_cannot_be_told_apart_shares_the_confidence():
    z = torch.tensor([[1.0, 0], [2.0, 0], [0.9, 0.1], [0, 1.0]])
    target = torch.tensor([[1.0, 0], [0, 1.0], [0, 1.0]])
    [(evidence, _)] = match_evidence(z, target, [Cosine()])
    # The first two point the same way; the last finds two targets that are equal.
    assert number_alike(z, evidence).tolist() == [2, 2, 1, 2]
