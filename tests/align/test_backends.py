"""Search backends against all pairs."""

import sys

import pytest
import torch

from pyg_ibmea.align import (
    ExactSearch,
    HNSWSearch,
    IVFSearch,
    PartSearch,
    backends,
    find_candidates,
    topk,
)
from pyg_ibmea.align.candidates import search_for


def clustered(num_rows, channels=32, noise=0.3):
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(50, channels, generator=generator)
    z = centres[torch.randint(50, (num_rows,), generator=generator)]
    z = z + torch.randn(num_rows, channels, generator=generator)
    return z + noise * torch.randn(num_rows, channels, generator=generator), z


@pytest.mark.parametrize("columns", [7, 64, 2**16])
@pytest.mark.parametrize("k", [1, 5, 70])
def test_exact_search_in_chunks_is_the_same(columns, k, monkeypatch):
    monkeypatch.setattr(backends, "_COLUMNS", columns)
    source, target = clustered(70)
    target[10] = target[3]  # They tie.
    expected = topk(source[:50], target, k)
    found = ExactSearch(block_size=16).nearest(source[:50], target, k)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("columns", [4, 64])
def test_the_lower_of_two_rows_that_tie_comes_first(columns, monkeypatch):
    monkeypatch.setattr(backends, "_COLUMNS", columns)
    found = ExactSearch().nearest(torch.ones(2, 2), torch.ones(9, 2), 3)
    assert found[1].tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("channels", [384, 24, 4])
def test_hnsw_finds_most(channels):
    pytest.importorskip("faiss")
    source, target = clustered(3000)
    score, column = HNSWSearch(channels=channels).nearest(source, target, 10)
    exact_score, exact = topk(source, target, 10)
    found = (column[:, :, None] == exact[:, None]).any(dim=1)
    assert found[:, 0].float().mean() > (0.98 if channels > 4 else 0.2)
    # What is found is told with its own cosine, whatever it was searched by.
    unit = [torch.nn.functional.normalize(side) for side in (source, target)]
    cosine = (unit[0][:, None] * unit[1][column.long()]).sum(dim=2)
    torch.testing.assert_close(score, cosine, atol=1e-5, rtol=0)
    assert bool((score.diff(dim=1) <= 0).all())
    assert float((score <= exact_score + 1e-5).float().mean()) == 1.0


def test_a_seed_gives_the_same_again_at_any_scale():
    faiss = pytest.importorskip("faiss")
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        source, target = clustered(500)
        options = {"channels": 16, "seed": 3}
        first, again = (
            HNSWSearch(**options).nearest(scale * source, scale * target, 10)
            for scale in (1, 8)
        )
    finally:
        faiss.omp_set_num_threads(threads)
    assert first[1].equal(again[1])


def test_rows_of_length_zero_are_as_in_exact_search():
    pytest.importorskip("faiss")
    source, target = clustered(200)
    source, target = source.abs(), target.abs()
    source[5], target[::2] = 0.0, 0.0
    score, column = HNSWSearch().nearest(source, target, 4)
    expected = ExactSearch().nearest(source, target, 4)
    assert column[5].tolist() == [0, 1, 2, 3]
    assert score[5].tolist() == [0.0] * 4
    assert (column == expected[1]).float().mean() > 0.95


def test_few_rows_that_are_not_zero_are_marked():
    pytest.importorskip("faiss")
    target = torch.zeros(6, 2)
    target[4] = 1.0
    score, column = HNSWSearch().nearest(torch.ones(2, 2), target, 3)
    assert column.tolist() == [[4, -1, -1]] * 2
    assert score[:, 1:].isneginf().all()


@pytest.mark.parametrize("swap", [False, True])
def test_parts_are_searched_one_by_one(swap):
    source, target = clustered(60)
    generator = torch.Generator().manual_seed(1)
    parts = torch.randint(5, (2, 60), generator=generator)
    more = torch.stack([torch.arange(0, 60, 3), (parts[0, ::3] + 1) % 5])
    search = PartSearch(parts[0], parts[1], more_source=more)
    together = parts[0][:, None] == parts[1]
    together[::3] |= more[1][:, None] == parts[1]
    unit = [torch.nn.functional.normalize(side) for side in (source, target)]
    cosine = torch.where(together, unit[0] @ unit[1].t(), -torch.inf)
    sides = (source, target)
    if swap:
        search, cosine, sides = search.swapped(), cosine.t(), (target, source)
    score, column = search.nearest(*sides, 30)
    expected = cosine.topk(30, dim=1)
    torch.testing.assert_close(score, expected[0])
    there = expected[0] > -torch.inf
    assert column[there].equal(expected[1][there])
    assert column[~there].eq(-1).all()


def test_bad_parts():
    with pytest.raises(ValueError, match="source_parts must be long"):
        PartSearch(torch.zeros(3), torch.zeros(3, dtype=torch.long))
    parts = torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match="more_target must be rows and their parts"):
        PartSearch(parts, parts, more_target=parts)
    with pytest.raises(ValueError, match="target_parts has 3 entries for 4 rows"):
        PartSearch(parts, parts).nearest(torch.ones(3, 2), torch.ones(4, 2), 1)
    search = PartSearch(parts, parts, torch.tensor([[3], [0]]))
    with pytest.raises(ValueError, match="must be below 3, got 3 to 3"):
        search.nearest(torch.ones(3, 2), torch.ones(3, 2), 1)


def test_options_must_be_positive():
    pytest.importorskip("faiss")
    with pytest.raises(ValueError, match="ef_search must be at least 1, got 0"):
        HNSWSearch(ef_search=0)
    with pytest.raises(ValueError, match="k must lie between 1 and the 2 rows"):
        HNSWSearch().nearest(torch.eye(2), torch.eye(2), 3)


def test_many_rows_are_searched_in_cells_on_a_cpu():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert search_for("auto", (60_000, 60_000), cpu) == ExactSearch()
    assert search_for("auto", (60_001, 60_000), cpu) == IVFSearch()
    assert search_for("auto", (60_001, 60_000), gpu) == ExactSearch()
    assert search_for("ivf", (2, 2), cpu) == IVFSearch()


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    message = r'pip install "pyg_ibmea\[faiss\]", or compare all pairs with search='
    with pytest.raises(ImportError, match=message):
        find_candidates(torch.eye(2), torch.eye(2), 1, "hnsw")
    # Nothing else needs it.
    assert search_for("auto", (10**6, 10**6), torch.device("cpu")).name == "ivf"


def test_a_backend_of_your_own():
    class First:
        name = "first"

        def nearest(self, source, target, k):
            score = torch.ones(len(source), 1)
            return score, torch.zeros(len(source), 1, dtype=torch.long)

        def swapped(self):
            return self

    found = find_candidates(torch.eye(3), torch.eye(3), 2, First())
    assert found.pairs.tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 0, 0]]
    assert found.backend == "first"
