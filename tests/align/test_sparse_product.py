import pytest
import torch

from pyg_ibmea.align import agreement, neighborhood_agreement
from pyg_ibmea.align._sparse_product import Entries, product, sparse_product


def random_entries(rows, columns, count):
    index = [torch.randint(size, (count,)) for size in (rows, columns)]
    return Entries(*index, torch.randn(count, dtype=torch.double), (rows, columns))


@pytest.mark.parametrize("how", [product, sparse_product])
@pytest.mark.parametrize("count", [0, 1, 60])
def test_same_as_dense(how, count):
    left, right = random_entries(7, 9, count), random_entries(9, 4, count)
    expected = (
        left.to_torch(torch.double).to_dense() @ right.to_torch(torch.double).to_dense()
    )
    found = how(left, right)
    assert found.size == (7, 4)
    torch.testing.assert_close(found.to_torch(torch.double).to_dense(), expected)
    turned = left.t().to_torch(torch.double).to_dense()
    assert turned.equal(left.to_torch(torch.double).to_dense().t())


def test_agreement_is_the_same_by_either_product(monkeypatch):
    edges = [
        (torch.randint(30, (2, 90)), torch.randint(5, (90,))) for _ in ("left", "right")
    ]
    matches = torch.rand(30, 30).mul_(torch.rand(30, 30) > 0.9).to_sparse()
    expected = neighborhood_agreement(matches, *edges)
    monkeypatch.setattr(agreement, "product", sparse_product)
    found = neighborhood_agreement(matches, *edges)
    assert expected._nnz() > 10
    torch.testing.assert_close(found.to_dense(), expected.to_dense())
