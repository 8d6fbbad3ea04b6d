"""Candidates against all pairs, and against plain sets of pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.align import Candidates, PartSearch, candidates, find_candidates
from pyg_ibmea.align._blocks import unit_sides
from pyg_ibmea.align._nearest import nearest_candidates


def sides(num_rows=40, num_columns=60, channels=8, dtype=torch.float):
    generator = torch.Generator().manual_seed(0)
    size = max(num_rows, num_columns), channels
    z, noise = torch.randn(2, *size, generator=generator)
    return z[:num_rows].to(dtype), (z + 0.3 * noise)[:num_columns].to(dtype)


@pytest.mark.parametrize("k", [1, 3, 40, 60, 100])
@pytest.mark.parametrize("chunk", [50, 2**22])
@pytest.mark.parametrize("most", [1, 60_000**2])
def test_they_are_the_nearest_of_both_sides(k, chunk, most, monkeypatch):
    monkeypatch.setattr(candidates, "_CHUNK", chunk)
    monkeypatch.setattr(candidates, "EXACT_PAIRS", most)
    z = sides()
    found = find_candidates(*z, k, "exact")
    pairs, cosine, *_ = nearest_candidates(*unit_sides(*z), k)
    assert found.pairs.equal(pairs.int())
    assert found.cosine.equal(cosine)
    assert found.size == (40, 60)
    assert (found.backend, found.k) == ("exact", k)


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.double])
def test_other_types_are_raised_to_single_precision(dtype):
    z = sides(dtype=dtype)
    found = find_candidates(*z, 5)
    expected = find_candidates(*(side.double() for side in z), 5)
    assert found.pairs.equal(expected.pairs)
    assert found.cosine.dtype == (dtype if dtype == torch.double else torch.float)
    torch.testing.assert_close(
        found.cosine.double(), expected.cosine, atol=1e-6, rtol=0
    )


def test_sides_mapped_from_a_file(tmp_path):
    z = sides()
    expected = find_candidates(*z, 5)
    mapped = []
    for number, side in enumerate(z):
        path = str(tmp_path / f"{number}.bin")
        file = torch.from_file(path, shared=True, size=side.numel())
        mapped.append(file.view_as(side).copy_(side))
    assert find_candidates(*mapped, 5).pairs.equal(expected.pairs)


def test_recall_is_the_share_of_pairs_among_them():
    pairs = torch.tensor([[0, 0, 2, 2], [1, 3, 0, 2]], dtype=torch.int32)
    found = Candidates(pairs, torch.zeros(4), (4, 4))
    true = torch.tensor([[0, 0, 1, 2, 3], [3, 2, 1, 2, 3]])
    assert found.recall(true) == pytest.approx(2 / 5)
    assert found.recall(true[:, :0]) == 0.0
    nothing = Candidates(pairs[:, :0], torch.zeros(0), (4, 4))
    assert nothing.recall(true) == 0.0


@settings(max_examples=50)
@given(
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 7))),
    st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 7)), st.floats(-1, 1)),
)
def test_pairs_with_a_bonus_join_them(known, bonus):
    z = sides(6, 8)
    source, target = unit_sides(*z)
    cosine = source @ target.t()
    pairs = torch.tensor(sorted(known), dtype=torch.int32).view(-1, 2).t()
    start = Candidates(pairs, cosine[tuple(pairs.long())], (6, 8))
    index = torch.tensor(list(bonus), dtype=torch.long).view(-1, 2).t()
    matrix = torch.sparse_coo_tensor(index, torch.tensor(list(bonus.values())), (6, 8))
    found = start.with_bonus(matrix, *z)
    assert list(map(tuple, found.pairs.t().tolist())) == sorted(known | set(bonus))
    expected = (cosine + matrix.to_dense())[tuple(found.pairs.long())]
    torch.testing.assert_close(found.cosine, expected)
    assert start.cosine.equal(cosine[tuple(pairs.long())])


def test_candidates_of_some_rows_are_numbered_anew():
    z = sides()
    every = find_candidates(*z, 4)
    rows, columns = torch.tensor([0, 3, 20, 39]), torch.arange(5, 60, 2)
    found = every.of(rows, columns)
    dense = torch.zeros(40, 60)
    dense[tuple(every.pairs.long())] = every.cosine
    expected = dense[rows][:, columns]
    assert found.size == (4, 28)
    assert found.pairs.long().equal(expected.nonzero().t())
    assert found.cosine.equal(expected[tuple(found.pairs.long())])


def test_a_row_alone_in_its_part_has_none():
    z = sides(3, 3)
    search = PartSearch(torch.tensor([0, 1, 2]), torch.tensor([0, 2, 2]))
    found = find_candidates(*z, 2, search)
    assert found.pairs.tolist() == [[0, 2, 2], [0, 1, 2]]
    assert found.by_source.pointer.tolist() == [0, 1, 1, 3]


@pytest.mark.parametrize(
    ("size", "k"),
    [((15_000, 15_000), 100), ((10**6, 10**6), 67), ((10**7, 10**7), 20)],
)
def test_millions_of_rows_have_fewer_each(size, k):
    assert candidates.default_candidates(size) == k


def test_bad_options():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        find_candidates(torch.eye(2), torch.eye(2), 0)
    with pytest.raises(ValueError, match="search must be one of 'exact', 'hnsw', 'ivf"):
        find_candidates(torch.eye(2), torch.eye(2), 1, "bm25")
