"""The search in cells against all pairs."""

import pytest
import torch
import torch.nn.functional as F

from pyg_ibmea.align import ExactSearch, IVFSearch, ivf_search, topk
from pyg_ibmea.align._unit_chunks import UnitRows
from pyg_ibmea.align.ivf_search import _Cells


def clustered(num_rows, channels=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(50, channels, generator=generator)
    z = centres[torch.randint(50, (num_rows,), generator=generator)]
    z = z + torch.randn(num_rows, channels, generator=generator)
    return z + 0.3 * torch.randn(num_rows, channels, generator=generator), z


@pytest.mark.parametrize("scores", [1, 2000, 2**24])
@pytest.mark.parametrize("held", [0, 2**32])
@pytest.mark.parametrize("k", [1, 5, 70])
def test_looking_into_all_cells_is_exact(k, held, scores, monkeypatch):
    monkeypatch.setattr(ivf_search, "_SCORES", scores)
    monkeypatch.setattr(ivf_search, "_HELD", held)
    source, target = clustered(70)
    target[10] = target[3]  # They tie.
    found = IVFSearch(num_cells=9, num_probes=70).nearest(source[:50], target, k)
    score, column = topk(source[:50], target, k)
    torch.testing.assert_close(found[0], score, atol=1e-6, rtol=0)
    assert found[1].long().equal(column)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("probes", [1, 3, 8])
def test_rows_of_the_nearest_cells_are_compared(probes, dtype):
    source, target = (side.to(dtype) for side in clustered(400))
    cells = _Cells.of(UnitRows.of_sides(source, target)[1], 20, 0)
    wide = torch.promote_types(dtype, torch.float32)
    unit = [F.normalize(side.to(wide)) for side in (source, target)]
    home = torch.empty(400, dtype=torch.long)
    for number, (start, count) in enumerate(
        zip(cells.start.tolist(), cells.size.tolist(), strict=True)
    ):
        home[cells.row[start : start + count]] = number
    looked = torch.zeros(400, len(cells.centre), dtype=torch.bool)
    looked.scatter_(1, topk(unit[0], cells.centre, probes)[1], True)
    allowed = looked[:, home]
    cosine = torch.where(allowed, unit[0] @ unit[1].t(), -torch.inf)
    expected, columns = cosine.topk(30, dim=1)
    score, column = IVFSearch(20, probes).nearest(source, target, 30)
    torch.testing.assert_close(score, expected, atol=1e-6, rtol=0)
    there = expected > -torch.inf
    assert column[there].long().equal(columns[there])
    assert column[~there].eq(-1).all()


def test_each_row_is_in_the_cell_of_its_nearest_centre():
    _, target = clustered(1000)
    target[7] = 0.0
    cells = _Cells.of(UnitRows.of_sides(target, target)[1], 40, 0)
    torch.testing.assert_close(cells.centre.norm(dim=1), torch.ones(len(cells.centre)))
    assert cells.row.sort()[0].tolist() == [i for i in range(1000) if i != 7]
    assert int(cells.size.sum()) == 999
    assert int(cells.size.min()) > 0
    cosine = F.normalize(target) @ cells.centre.t()
    for number, (start, count) in enumerate(
        zip(cells.start.tolist(), cells.size.tolist(), strict=True)
    ):
        rows = cells.row[start : start + count]
        assert rows.diff().gt(0).all()
        best = cosine[rows].max(dim=1)[0]
        torch.testing.assert_close(cosine[rows, number], best)


def test_centres_of_groups_far_apart_are_their_means():
    generator = torch.Generator().manual_seed(0)
    axes = torch.eye(6).repeat_interleave(40, dim=0)
    target = F.normalize(axes + 0.02 * torch.randn(240, 6, generator=generator))
    cells = _Cells.of(UnitRows.of_sides(target, target)[1], 6, 2)
    means = F.normalize(target.view(6, 40, 6).sum(dim=1))
    near = F.normalize(cells.centre) @ means.t()
    # A start may put two centres into one group, never one where no row is.
    assert float(near.max(dim=1)[0].min()) > 0.7
    torch.testing.assert_close(near.max(), torch.tensor(1.0))


def test_finds_most():
    source, target = clustered(3000)
    exact = topk(source, target, 10)[1]
    recall = []
    for probes in (1, 8, 32):
        column = IVFSearch(num_probes=probes).nearest(source, target, 10)[1]
        found = (column[:, :, None] == exact[:, None]).any(dim=1)
        recall.append(float(found.float().mean()))
    assert recall[0] < recall[1] < recall[2]
    assert recall[2] > 0.98


def test_does_not_depend_on_scale_or_on_other_source_rows():
    source, target = clustered(500)
    score, column = IVFSearch(seed=3).nearest(source, target, 10)
    again = IVFSearch(seed=3).nearest(8 * source, 8 * target, 10)
    assert again[1].equal(column)
    rows = torch.randperm(500, generator=torch.Generator().manual_seed(0))[:77]
    some = IVFSearch(seed=3).nearest(source[rows], target, 10)
    assert some[1].equal(column[rows])
    torch.testing.assert_close(some[0], score[rows], atol=1e-6, rtol=0)


def test_crowded_cells_are_cut():
    source, target = clustered(1000)
    target[100:900] = target[100]
    cells = _Cells.of(UnitRows.of_sides(source, target)[1], 20, 0)
    assert cells.width <= 2 * 1000 / 20
    assert cells.row.sort()[0].tolist() == list(range(1000))
    score, column = IVFSearch(20, num_probes=4).nearest(target[100:101], target, 60)
    torch.testing.assert_close(score, torch.ones(1, 60))
    assert bool(((column >= 100) & (column < 900)).all())


def test_rows_of_length_zero_are_as_in_exact_search():
    source, target = clustered(200)
    source, target = source.abs(), target.abs()
    source[5], target[::2] = 0.0, 0.0
    score, column = IVFSearch().nearest(source, target, 4)
    expected = ExactSearch().nearest(source, target, 4)
    assert column[5].tolist() == [0, 1, 2, 3]
    assert score[5].tolist() == [0.0] * 4
    assert (column == expected[1]).float().mean() > 0.95
    nothing = torch.zeros(4, 3)
    score, column = IVFSearch().nearest(nothing, nothing, 2)
    assert column.tolist() == [[0, 1]] * 4
    assert not score.any()


def test_too_few_rows_in_the_cells_are_marked():
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(100, 4, generator=generator)
    side = torch.where(torch.arange(100) < 40, 1.0, -1.0)
    target = side[:, None] * torch.ones(4) + noise
    score, column = IVFSearch(2, 1).nearest(torch.ones(1, 4), target, 60)
    assert sorted(column[0, :40].tolist()) == list(range(40))
    assert column[0, 40:].eq(-1).all()
    assert score[0, 40:].isneginf().all()


@pytest.mark.parametrize(
    ("options", "k", "message"),
    [
        ({}, 0, "k must lie between 1 and the 30 rows"),
        ({"num_probes": 0}, 1, "num_probes must be at least 1"),
        ({"num_cells": 40}, 1, "num_cells must lie between 1 and the 30 rows"),
        ({"num_cells": 0}, 1, "num_cells must lie between 1 and the 30 rows"),
    ],
)
def test_bad_options(options, k, message):
    with pytest.raises(ValueError, match=message):
        IVFSearch(**options).nearest(torch.ones(2, 3), torch.ones(30, 3), k)
