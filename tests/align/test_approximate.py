import sys

import pytest
import torch

from pyg_ibmea.align import approximate_topk, topk


@pytest.fixture(scope="module")
def sides():
    pytest.importorskip("faiss")
    generator = torch.Generator().manual_seed(0)
    z_target = torch.randn(3000, 16, generator=generator)
    noise = torch.randn(200, 16, generator=generator)
    return z_target[:200] + 0.3 * noise, z_target


def test_looking_into_all_cells_is_exact(sides):
    scores, candidates = approximate_topk(*sides, k=5, num_cells=20, num_probes=20)
    exact_scores, exact = topk(*sides, k=5)
    torch.testing.assert_close(scores, exact_scores, atol=1e-5, rtol=1e-5)
    assert (candidates == exact).float().mean() > 0.99  # Near ties may swap.


def test_looking_into_some_cells_finds_most(sides):
    exact = topk(*sides, k=1)[1]
    recall = [
        (approximate_topk(*sides, k=1, num_cells=60, num_probes=n)[1] == exact)
        .float()
        .mean()
        for n in (1, 8)
    ]
    assert recall[1] > 0.85
    assert recall[1] > recall[0]


def test_the_same_again_and_any_scale(sides):
    scores, candidates = approximate_topk(*sides, k=3)
    again = approximate_topk(7 * sides[0], 0.1 * sides[1], k=3)
    assert candidates.equal(again[1])
    torch.testing.assert_close(scores, again[0])


def test_too_few_rows_in_the_cells_are_marked(sides):
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(100, 4, generator=generator)
    side = torch.where(torch.arange(100) < 40, 1.0, -1.0)
    z_target = side[:, None] * torch.ones(4) + noise
    scores, candidates = approximate_topk(
        torch.ones(1, 4), z_target, k=60, num_cells=2, num_probes=1
    )
    assert sorted(candidates[0, :40].tolist()) == list(range(40))
    assert candidates[0, 40:].eq(-1).all()
    assert scores[0, 40:].isneginf().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must lie between 1 and the 3000 rows"),
        ({"k": 1, "num_probes": 0}, "num_probes must be at least 1"),
        ({"k": 1, "num_cells": 4000}, "num_cells must lie between"),
    ],
)
def test_bad_options(sides, options, message):
    with pytest.raises(ValueError, match=message):
        approximate_topk(*sides, **options)


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="needs faiss: pip install"):
        approximate_topk(torch.eye(2), torch.eye(2), k=1)
