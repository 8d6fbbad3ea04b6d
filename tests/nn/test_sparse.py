import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from pyg_ibmea.nn import HybridContrastiveLoss, ModalFusion, ModalVIBEncoder
from pyg_ibmea.nn._sparse import (
    UnitRows,
    feature_rows,
    joined_feature_rows,
    row_lengths,
    stacked,
    unit_rows,
)


@st.composite
def matrices(draw):
    """Rows of whole numbers, many of them zero; their codes and signs, too."""
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    values = draw(st.sampled_from([[0, 1], [-1, 0, 1], [0, 1, 2], [0, 0, 0, 3]]))
    size = rows * columns
    cells = draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))
    return torch.tensor(cells, dtype=torch.float64).view(rows, columns)


@given(matrices())
def test_unit_rows_are_those_of_pytorch_and_zero_rows_pass_no_gradient(x):
    zero = (x == 0).all(dim=1)
    x = x.requires_grad_()
    torch.testing.assert_close(unit_rows(x), F.normalize(x), rtol=0, atol=0)
    factor = torch.randn_like(x)
    (mine,) = torch.autograd.grad((unit_rows(x) * factor).sum(), x)
    (theirs,) = torch.autograd.grad((F.normalize(x) * factor).sum(), x)
    assert mine[zero].eq(0).all()
    torch.testing.assert_close(mine[~zero], theirs[~zero], rtol=0, atol=0)
    # What comes before a zero row is as flat as the row: finite differences agree.
    scale = torch.rand(x.size(1), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: unit_rows(x.detach() * s), scale + 0.5)


@given(matrices())
def test_unit_rows_of_a_gpu_are_those_of_the_cpu(x):
    x = (x + 1e-14 * torch.rand(x.size(0), 1)).float().requires_grad_()
    factor = torch.randn_like(x)
    units = unit_rows(x), UnitRows.apply(x)
    assert torch.equal(*units)
    (theirs,), (mine,) = (torch.autograd.grad(unit, x, factor) for unit in units)
    torch.testing.assert_close(mine, theirs)
    assert mine[units[0].eq(0).all(dim=1)].eq(0).all()


@pytest.mark.parametrize("sparse", [False, True])
@given(matrices())
def test_lengths_divide_zero_rows_to_zero_without_a_gradient(sparse, x):
    zero = (x == 0).all(dim=1)

    def products(x, weight):
        return (x @ weight) / row_lengths(x)[:, None]

    weight = torch.randn(x.size(1), 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda w: products(x.to_sparse() if sparse else x, w), weight
    )
    inputs = x.clone().requires_grad_()
    given = inputs.to_sparse() if sparse else inputs
    products(given, weight).square().sum().backward()
    assert inputs.grad[zero].eq(0).all()
    assert inputs.grad.isfinite().all()
    torch.testing.assert_close(
        products(given, weight)[~zero], F.normalize(x)[~zero] @ weight
    )


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@given(matrices())
def test_modal_encoder_learns_from_zero_rows_as_finite_differences_say(
    sparse, residual, x
):
    encoder = ModalVIBEncoder({"m": x.size(1)}, 2, residual=residual).double().eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    names = [name for name, _ in encoder.named_parameters()]
    given = {"m": x.to_sparse() if sparse else x}

    def latents(*weights):
        found = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(encoder, found, (given,))[0]["m"]

    assert torch.autograd.gradcheck(latents, tuple(encoder.parameters()))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_zero_row_leaves_float32_gradients_as_they_are_without_it(sparse, residual):
    x = torch.randn(6, 5)
    x[2] = 0
    encoder = ModalVIBEncoder({"m": 5}, 3, residual=residual).eval()
    grads = []
    for rows in (x, x[torch.arange(6) != 2]):
        encoder.zero_grad()
        given = rows.to_sparse() if sparse else rows
        (100 * encoder({"m": given})[0]["m"]).sum().backward()
        layers = [*encoder.hidden.values(), *encoder.residual.values()]
        grads.append([layer.weight.grad.clone() for layer in layers])
    torch.testing.assert_close(*grads)


def test_fusion_and_losses_pass_nothing_to_zero_rows():
    present = torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    zero = {m: (torch.randn(4, 3) * present).requires_grad_() for m in ("a", "b")}
    ModalFusion(["a", "b"])(zero).pow(3).sum().backward()
    for z in zero.values():
        assert z.grad[1].eq(0).all()
        assert z.grad[0].ne(0).any()
    for objective in ("info_nce", "multi_similarity"):
        source, target = (z.detach().clone().requires_grad_() for z in zero.values())
        HybridContrastiveLoss(objective)(source, target).backward()
        assert source.grad[1].eq(0).all()
        assert target.grad[1].eq(0).all()
        assert source.grad[0].ne(0).any()


def test_rows_in_half_precision_have_unit_length_or_none():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float16)
    expected = torch.tensor([[0.6, 0.8], [0.0, 0.0]], dtype=torch.float16)
    torch.testing.assert_close(unit_rows(x), expected)


def entries(x):
    return torch.cat([x.indices().t(), x.values()[:, None]], dim=1).tolist()


@given(matrices(), st.data())
def test_rows_of_sparse_features_need_no_sorting(x, data):
    numbers = st.integers(0, x.size(0) - 1)
    index = torch.tensor(data.draw(st.lists(numbers, max_size=6)), dtype=torch.long)
    rows = feature_rows(x.to_sparse(), index)
    below = stacked([rows, feature_rows(x.to_sparse(), index.flip(0)), rows])
    expected = torch.cat([x[index], x[index.flip(0)], x[index]])
    for found, dense in ((rows, x[index]), (below, expected)):
        assert found.is_coalesced()
        assert entries(found) == entries(dense.to_sparse())
    assert torch.equal(stacked([feature_rows(x, index), x]), torch.cat([x[index], x]))
    if index.numel():
        assert torch.equal(stacked([rows]).to_dense(), x[index])


@pytest.mark.parametrize("kind", ["dense", "sparse", "of two types", "with gradients"])
@given(matrices(), st.data())
def test_joined_rows_are_those_of_each_matrix(kind, x, data):
    numbers = st.integers(0, x.size(0) - 1)
    index = torch.tensor(data.draw(st.lists(numbers, max_size=6)), dtype=torch.long)
    below = torch.cat([x[index], 2 * x[index.flip(0)]])
    matrices = {
        "dense": [x, 2 * x],
        "sparse": [x.to_sparse(), 2 * x.to_sparse()],
        "of two types": [x.float(), 2 * x],
        "with gradients": [x.clone().requires_grad_(), 2 * x],
    }[kind]
    found = joined_feature_rows(matrices, [index, index.flip(0)])
    assert torch.equal(found.to_dense(), below)
    assert found.requires_grad == (kind == "with gradients")


def test_joined_rows_have_one_width():
    with pytest.raises(RuntimeError, match="must match"):
        joined_feature_rows([torch.ones(2, 3), torch.ones(2, 4)], [torch.arange(2)] * 2)


def test_entries_that_repeat_add_up():
    place, value = torch.tensor([[1, 0, 1], [2, 0, 2]]), torch.tensor([1.0, 2.0, 2.0])
    x = torch.sparse_coo_tensor(place, value, (2, 3))
    assert row_lengths(x).tolist() == [2.0, 3.0]
    index = torch.tensor([1, 1])
    assert feature_rows(x, index).to_dense().tolist() == [[0, 0, 3.0]] * 2
    parts = [x, feature_rows(x, index)]
    assert not stacked(parts).is_coalesced()
    assert stacked(parts).to_dense()[1:].tolist() == [[0, 0, 3.0]] * 3


def test_rows_in_order_are_not_sorted_again():
    class Sorts(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.seen += func is torch.ops.aten._coalesce.default
            return func(*args, **(kwargs or {}))

    x = torch.eye(4).to_sparse()
    index = torch.tensor([3, 1])
    with Sorts() as sorts:
        parts = [feature_rows(x, index), feature_rows(x, index)]
        stacked(parts).log1p().coalesce()
    assert sorts.seen == 0
    # PyTorch's own rows would have to be.
    assert not x.index_select(0, index).is_coalesced()
