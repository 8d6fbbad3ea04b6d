import pytest
import torch

from pyg_ibmea.align import join_views


def test_inner_products_are_weighted_sums_of_cosines():
    generator = torch.Generator().manual_seed(0)
    views = [
        [torch.randn(n, c, dtype=torch.double, generator=generator) for c in (3, 5)]
        for n in (4, 6)
    ]
    joined = [join_views(side, [2.0, 6.0]) for side in views]
    expected = sum(
        weight * torch.nn.functional.cosine_similarity(a[:, None], b[None], dim=-1)
        for weight, a, b in zip([0.25, 0.75], *views, strict=True)
    )
    torch.testing.assert_close(joined[0] @ joined[1].t(), expected)
    torch.testing.assert_close(joined[0].norm(dim=1), torch.ones(4).double())


def test_a_missing_view_counts_for_nothing():
    joined = join_views([torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0]])])
    assert joined[0, :2].tolist() == [0, 0]
    assert joined[0, 2] > 0


@pytest.mark.parametrize(
    ("views", "weights", "message"),
    [
        ([], None, "views is empty"),
        ([torch.ones(1, 1)], [1.0, 2.0], "one per view, got 2 for 1 views"),
        ([torch.ones(1, 1)], [-1.0], "non-negative"),
        ([torch.ones(1, 1)], [0.0], "not all zero"),
        (
            [torch.ones(1, 1), torch.ones(2, 1)],
            None,
            r"same number of rows, got \[1, 2\]",
        ),
        ([torch.ones(1)], None, r"views\[0\] must be a matrix"),
        ([torch.full((1, 1), torch.nan)], None, r"views\[0\] holds NaN"),
    ],
)
def test_bad_input(views, weights, message):
    with pytest.raises(ValueError, match=message):
        join_views(views, weights)
