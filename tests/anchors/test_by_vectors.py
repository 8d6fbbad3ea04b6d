import numpy as np
import pytest
import torch

from pyg_ibmea.anchors._by_vectors import by_vectors


def by_hand(x, y):
    """All cosines at once."""
    x, y = (z.double() / z.double().norm(dim=1, keepdim=True) for z in (x, y))
    cosine = (x @ y.t()).numpy()
    spread = np.median(
        [np.ptp(np.sort(row)[::-1][: min(5, len(row))]) for row in cosine]
    )
    found = {}
    for i, row in enumerate(cosine):
        j = int(row.argmax())
        if cosine[:, j].argmax() == i:
            seconds = np.sort(row)[-2], np.sort(cosine[:, j])[-2]
            margin = cosine[i, j] - max(seconds)
            found[i, j] = 0.8 * (1 - np.exp(-margin / spread))
    return found


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_that_are_each_others_best(sparse):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 6, generator=generator)
    y = x[:20] + 0.5 * torch.randn(20, 6, generator=generator)
    expected = by_hand(x, y)
    sides = [
        (z.to_sparse() if sparse else z, torch.ones(len(z)).bool()) for z in (x, y)
    ]
    found = by_vectors(*sides)
    ids = list(zip(found.row.tolist(), found.column.tolist(), strict=True))
    assert ids == sorted(expected)
    np.testing.assert_allclose(found.value, [expected[k] for k in ids], rtol=1e-4)


def test_rows_that_are_missing_or_zero_have_no_best():
    x, y = torch.eye(4), torch.eye(4)
    y[3] = 0
    mask = torch.tensor([False, True, True, True])
    found = by_vectors((x, mask), (y, torch.ones(4).bool()))
    assert (found.row.tolist(), found.column.tolist()) == ([1, 2], [1, 2])


def test_equal_rows_are_not_clearly_best():
    x = torch.ones(3, 2)
    there = torch.ones(3).bool()
    assert (by_vectors((x, there), (x, there)).value == 0).all()
    assert len(by_vectors((x[:1], there[:1]), (x, there)).row) == 0
