import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import CSLS, csls, ranking_metrics
from pyg_ibmea.align.metrics import _expected_metrics
from pyg_ibmea.align.ranks import Ranks


@given(st.integers(0, 6), st.integers(0, 5))
def test_ties_take_the_mean_over_all_orders(greater, tied):
    # The true one stands at each of the tied + 1 places equally often.
    places = np.arange(greater + 1, greater + tied + 2)
    counts = Ranks(torch.tensor([0]), torch.tensor([greater]), torch.tensor([tied]))
    metrics = _expected_metrics(counts, ks=(1, 3, 10))
    for k in (1, 3, 10):
        assert metrics[f"hits@{k}"] == pytest.approx(np.mean(places <= k), abs=1e-12)
    assert metrics["mr"] == pytest.approx(np.mean(places), abs=1e-12)
    assert metrics["mrr"] == pytest.approx(np.mean(1 / places), abs=1e-12)


@pytest.mark.parametrize("decoder", ["cosine", "csls"])
@pytest.mark.parametrize("num_rows", [1, 7, 1003])
def test_constant_embeddings_score_as_chance(decoder, num_rows):
    z = torch.full((num_rows, 37), 0.3)
    metrics = ranking_metrics(z, -2 * z, decoder, ks=(1, 5, 10))
    harmonic = sum(1 / rank for rank in range(1, num_rows + 1))
    for direction in (metrics, metrics["target_to_source"], metrics["mean"]):
        for k in (1, 5, 10):
            expected = min(1, k / num_rows)
            assert direction[f"hits@{k}"] == pytest.approx(expected, abs=1e-12)
        assert direction["mr"] == (num_rows + 1) / 2
        assert direction["mrr"] == pytest.approx(harmonic / num_rows, abs=1e-12)


@pytest.mark.parametrize("decoder", ["cosine", "csls"])
def test_equals_sorting_the_dense_scores(decoder):
    generator = torch.Generator().manual_seed(0)
    z_source = torch.randn(60, 5, dtype=torch.double, generator=generator)
    noise = torch.randn(60, 5, dtype=torch.double, generator=generator)
    z_target = z_source + 0.8 * noise
    if decoder == "csls":
        scores = csls(z_source, z_target, k=5).numpy()
    else:
        scores = torch.nn.functional.cosine_similarity(
            z_source[:, None], z_target[None], dim=-1
        ).numpy()
    by = CSLS(5) if decoder == "csls" else decoder
    metrics = ranking_metrics(z_source, z_target, by, ks=(1, 3))

    def by_sorting(scores):
        order = np.argsort(-scores, axis=1)
        rank = np.array([list(row).index(i) + 1 for i, row in enumerate(order)])
        hits = {f"hits@{k}": np.mean(rank <= k) for k in (1, 3)}
        return {**hits, "mr": np.mean(rank), "mrr": np.mean(1 / rank)}

    forward, backward = by_sorting(scores), by_sorting(scores.T)
    assert 0.1 < forward["hits@1"] < 0.9  # The problem is no trivial one.
    assert {name: metrics[name] for name in forward} == pytest.approx(forward)
    assert metrics["target_to_source"] == pytest.approx(backward)
    mean = {name: (forward[name] + backward[name]) / 2 for name in forward}
    assert metrics["mean"] == pytest.approx(mean)


def test_any_true_counterpart_counts():
    # Source 0 has counterparts 0 (far) and 1 (near); target 2 lies between them.
    z_source = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    z_target = torch.tensor([[0.0, 1.0], [1.0, 0.1], [1.0, 0.5]])
    pairs = torch.tensor([[0, 0, 1], [0, 1, 2]])
    metrics = ranking_metrics(z_source, z_target, "cosine", ks=(1,), pairs=pairs)
    # Source 0: rank 1 by its counterpart 1. Source 1: rank 2, behind target 0.
    assert metrics["hits@1"] == 0.5
    assert metrics["mr"] == 1.5
    # Target 0: source 1 is nearer. Target 1: right. Target 2: source 0 is nearer.
    assert metrics["target_to_source"]["hits@1"] == pytest.approx(1 / 3)


def test_repeated_links_count_once():
    z_source, z_target = torch.randn(
        2, 20, 3, generator=torch.Generator().manual_seed(0)
    )
    pairs = torch.arange(20).repeat(2, 1)
    once = ranking_metrics(z_source, z_target, pairs=pairs)
    assert once == ranking_metrics(z_source, z_target)
    assert once == ranking_metrics(z_source, z_target, pairs=pairs.repeat(1, 2))


def test_zero_rows_rank_at_random():
    z_source = torch.eye(4)
    z_source[0] = 0
    metrics = ranking_metrics(z_source, torch.eye(4), "cosine", ks=(1,))
    assert metrics["mr"] == pytest.approx((2.5 + 3) / 4)


def test_order_of_the_pairs_is_irrelevant():
    z_source, z_target = torch.randn(
        2, 5, 3, generator=torch.Generator().manual_seed(1)
    )
    expected = ranking_metrics(z_source, z_target)
    for order in itertools.islice(itertools.permutations(range(5)), 0, 120, 17):
        permuted = torch.tensor(order)
        pairs = torch.stack([torch.arange(5), permuted.argsort()])
        metrics = ranking_metrics(z_source, z_target[permuted], pairs=pairs)
        assert metrics["mean"] == pytest.approx(expected["mean"])


@pytest.mark.parametrize("ks", [(), (0,), (1, -1)])
def test_unfit_ks_are_refused(ks):
    with pytest.raises(ValueError, match="ks must be one or more ranks"):
        ranking_metrics(torch.ones(2, 2), torch.ones(2, 2), ks=ks)
