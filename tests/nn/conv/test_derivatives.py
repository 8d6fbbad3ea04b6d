"""Derivatives of higher order, transforms of torch.func, and exported programs."""

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from pyg_ibmea.nn import DiagonalGATConv, VariationalIBConv, use_backend

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0, 2, 0], [1, 2, 0, 2, 3, 2, 1]])
LAYERS = [DiagonalGATConv, VariationalIBConv]


@pytest.fixture(params=["torch", "numba"])
def backend(request):
    with use_backend(request.param):
        yield request.param


def layer_of(kind, **options):
    torch.manual_seed(0)
    conv = kind(3, 2, heads=2, edge_dim=2, **options).double().eval()
    torch.nn.init.normal_(conv.scale)
    return conv


def inputs():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 3, dtype=torch.double, generator=generator)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("concat", [True, False])
def test_second_derivatives(kind, concat, backend):
    conv = layer_of(kind, concat=concat)
    generator = torch.Generator().manual_seed(2)
    x = inputs().requires_grad_()
    edge_attr = torch.randn(7, 2, dtype=torch.double, generator=generator)
    edge_weight = torch.rand(7, dtype=torch.double, generator=generator)
    names = [name for name, _ in conv.named_parameters()]

    def call(x, edge_attr, edge_weight, *parameters):
        values = dict(zip(names, parameters, strict=True))
        out = functional_call(
            conv, values, (x, EDGE_INDEX, edge_attr), {"edge_weight": edge_weight}
        )
        return (out, conv.kl_loss()) if kind is VariationalIBConv else out

    leaves = (x, edge_attr.requires_grad_(), edge_weight.requires_grad_())
    leaves = (*leaves, *conv.parameters())
    assert torch.autograd.gradgradcheck(call, leaves, fast_mode=True)
    out = call(*leaves)
    total = sum(o.square().sum() for o in (out if isinstance(out, tuple) else (out,)))
    once = torch.autograd.grad(total, leaves, retain_graph=True, materialize_grads=True)
    again = torch.autograd.grad(
        total, leaves, create_graph=True, materialize_grads=True
    )
    torch.testing.assert_close(again, once)


def test_a_penalty_on_the_gradient_trains(backend):
    conv = layer_of(DiagonalGATConv)
    x = inputs().requires_grad_()
    (slope,) = torch.autograd.grad(conv(x, EDGE_INDEX).sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert conv.att_src.grad.abs().sum() > 0
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("kind", LAYERS)
def test_transforms_of_torch_func_equal_autograd(kind, backend):
    conv, x = layer_of(kind), inputs()

    def call(x):
        return conv(x, EDGE_INDEX)

    jacobian = torch.autograd.functional.jacobian(call, x)
    torch.testing.assert_close(jacrev(call)(x), jacobian)
    torch.testing.assert_close(jacfwd(call)(x), jacobian)
    direction = torch.ones_like(x)
    torch.testing.assert_close(
        jvp(call, (x,), (direction,))[1], (jacobian * direction).sum((-1, -2))
    )

    def loss(x):
        return call(x).square().sum()

    wide = x.clone().requires_grad_()
    torch.testing.assert_close(grad(loss)(x), *torch.autograd.grad(loss(wide), wide))
    torch.testing.assert_close(
        hessian(loss)(x), torch.autograd.functional.hessian(loss, x)
    )
    # The next call finds nothing of theirs.
    if kind is VariationalIBConv:
        call(x)
        torch.testing.assert_close(
            conv.kl_loss(), conv.encode(x, EDGE_INDEX).kl().mean()
        )


@pytest.mark.parametrize("kind", LAYERS)
def test_forward_mode_gives_the_same_as_reverse_mode(kind, backend):
    conv, x = layer_of(kind), inputs()
    jacobian = torch.autograd.functional.jacobian(lambda x: conv(x, EDGE_INDEX), x)
    direction = torch.randn_like(x)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, direction)
        found = torch.autograd.forward_ad.unpack_dual(conv(dual, EDGE_INDEX)).tangent
    torch.testing.assert_close(found, (jacobian * direction).sum((-1, -2)))


@pytest.mark.parametrize("kind", LAYERS)
def test_vmap_over_inputs_and_over_weights(kind, backend):
    conv = layer_of(kind)
    x = torch.stack([inputs(), 2 * inputs() + 1, inputs().flip(0)])
    apart = torch.stack([conv(one, EDGE_INDEX) for one in x])
    torch.testing.assert_close(vmap(lambda x: conv(x, EDGE_INDEX))(x), apart)

    twins = [layer_of(kind) for _ in range(3)]
    for twin in twins:
        torch.nn.init.normal_(twin.att_src)
    weights, buffers = torch.func.stack_module_state(twins)
    out = vmap(
        lambda weights: functional_call(conv, (weights, buffers), (x[0], EDGE_INDEX))
    )(weights)
    torch.testing.assert_close(
        out, torch.stack([twin(x[0], EDGE_INDEX) for twin in twins])
    )


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("strict", [True, False])
def test_exported_programs(kind, loops, strict, backend):
    conv = layer_of(kind, add_self_loops=loops).float()
    x = inputs().float()
    program = torch.export.export(conv, (x, EDGE_INDEX), strict=strict)
    torch.testing.assert_close(program.module()(x, EDGE_INDEX), conv(x, EDGE_INDEX))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.filterwarnings("ignore")
def test_onnx(kind, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    conv = layer_of(kind).float()
    x, attr = inputs().float(), torch.rand(7, 2)
    path = tmp_path / "layer.onnx"
    torch.onnx.export(conv, (x, EDGE_INDEX, attr), path, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(path)
    names = [given.name for given in session.get_inputs()]
    given = dict(zip(names, [x.numpy(), EDGE_INDEX.numpy(), attr.numpy()], strict=True))
    out = torch.from_numpy(session.run(None, given)[0])
    torch.testing.assert_close(out, conv(x, EDGE_INDEX, attr), atol=1e-5, rtol=1e-5)
