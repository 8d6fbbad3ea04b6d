"""The layers as modules of PyTorch: written to, cast, loaded, shared by processes."""

import copy

import pytest
import torch
import torch.distributed as dist
from three_layers import conv_of, for_each_layer, for_our_layers
from torch.nn.parallel import DistributedDataParallel

from pyg_ibmea.nn import DiagonalGATConv, VariationalIBConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 0, 2, 3]])

WRITES = {
    "relu_": lambda z: z.relu_(),
    "ReLU": torch.nn.ReLU(inplace=True),
    "dropout": lambda z: torch.nn.functional.dropout(z, 0.5, inplace=True),
    "add_": lambda z: z.add_(1),
    "zero a row": lambda z: z.index_fill_(0, torch.tensor([1]), 0.0),
}


@for_each_layer
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("write", WRITES)
def test_outputs_may_be_written_to(layer, training, concat, bias, write):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2, concat=concat, bias=bias).train(training)
    grads = []
    for out_of_place in (False, True):
        torch.manual_seed(3)
        z = conv(x, EDGE_INDEX)
        z = WRITES[write](z.clone() if out_of_place else z)
        loss = z.square().sum()
        if layer is VariationalIBConv:
            loss = loss + conv.kl_loss()
        grads.append(torch.autograd.grad(loss, [*conv.parameters()], allow_unused=True))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("num_samples", [None, 2])
def test_writing_to_the_latent_leaves_the_posterior(grad, num_samples):
    x = torch.randn(4, 8)
    conv = conv_of(VariationalIBConv, 8, 6)
    with torch.set_grad_enabled(grad):
        options = {"num_samples": num_samples, "return_posterior": True}
        z, posterior = conv(x, EDGE_INDEX, **options)
        mean, kl = posterior.mean.clone(), conv.kl_loss().clone()
        z.zero_()
        assert posterior.mean.equal(mean)
        assert conv.kl_loss().equal(kl)
        assert posterior.kl().mean().equal(kl)


@pytest.mark.parametrize("training", [True, False])
def test_no_samples(training):
    conv = VariationalIBConv(8, 6).train(training)
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        conv(torch.randn(4, 8), EDGE_INDEX, num_samples=0)


def test_posteriors_are_compared_and_hashed_by_identity():
    conv = VariationalIBConv(8, 6)
    x = torch.randn(4, 8)
    one, other = (conv.encode(x, EDGE_INDEX) for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other, one}) == 2


@for_each_layer
@pytest.mark.parametrize("lazy", [-1, (-1, -1)])
def test_a_lazy_layer_and_one_that_is_not_load_each_other(layer, lazy):
    x = torch.randn(4, 8)
    eager_channels = 8 if lazy == -1 else (8, 8)
    eager = conv_of(layer, eager_channels, 6, heads=2, residual=True)
    expected = eager(x, EDGE_INDEX)
    fresh = conv_of(layer, lazy, 6, heads=2, residual=True)
    fresh.load_state_dict(eager.state_dict())
    torch.testing.assert_close(fresh(x, EDGE_INDEX), expected)
    used = conv_of(layer, lazy, 6, heads=2, residual=True)
    expected = used(x, EDGE_INDEX)
    eager.load_state_dict(used.state_dict())
    torch.testing.assert_close(eager(x, EDGE_INDEX), expected)
    # Before its first use it has nothing to give but may be saved and loaded.
    blank = conv_of(layer, lazy, 6, heads=2, residual=True)
    other = conv_of(layer, lazy, 6, heads=2, residual=True)
    other.load_state_dict(blank.state_dict())
    assert other(x, EDGE_INDEX).shape == (4, 12)
    assert copy.deepcopy(blank)(x, EDGE_INDEX).shape == (4, 12)


@for_each_layer
@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
@pytest.mark.parametrize("messages", [False, True])
def test_half_precision(layer, dtype, messages):
    x, edge_attr = torch.randn(4, 8), torch.randn(5, 3)
    conv = conv_of(layer, 8, 6, heads=2, edge_dim=3, residual=True)
    expected = conv(x, EDGE_INDEX, edge_attr)
    conv = conv.to(dtype)
    if messages:
        conv.register_message_forward_hook(lambda *_: None)
    out = conv(x.to(dtype), EDGE_INDEX, edge_attr.to(dtype))
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), expected, atol=0.1, rtol=0.1)
    conv.train()
    loss = conv(x.to(dtype), EDGE_INDEX, edge_attr.to(dtype)).float().sum()
    if layer is VariationalIBConv:
        assert conv.kl_loss().isfinite()
        loss = loss + conv.kl_loss()
    loss.backward()
    for parameter in conv.parameters():
        assert parameter.grad is not None
        assert parameter.grad.dtype == dtype
        assert parameter.grad.isfinite().all()


@for_each_layer
def test_double_precision(layer):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2)
    out = conv(x, EDGE_INDEX)
    double = conv.double()(x.double(), EDGE_INDEX)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), out)


@pytest.fixture
def process_group(tmp_path):
    dist.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'init'}", rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


@for_each_layer
@pytest.mark.filterwarnings("ignore:.*find_unused_parameters=True.*:UserWarning")
@pytest.mark.parametrize("find_unused", [False, True])
def test_distributed_data_parallel(layer, find_unused, process_group):
    x = torch.randn(4, 8)
    conv = conv_of(layer, 8, 6, heads=2)
    twin = copy.deepcopy(conv)
    shared = DistributedDataParallel(conv, find_unused_parameters=find_unused)
    options = {"return_posterior": True} if layer is VariationalIBConv else {}
    optimisers = [torch.optim.SGD(m.parameters(), lr=1e-3) for m in (twin, shared)]
    for step in range(3):
        for module, optimiser in zip((twin, shared), optimisers, strict=True):
            module.train()
            torch.manual_seed(step)
            optimiser.zero_grad()
            out = module(x, EDGE_INDEX, **options)
            if options:
                z, posterior = out
                loss = z.square().sum() + posterior.kl().mean()
            else:
                loss = out.square().sum()
            loss.backward()
            optimiser.step()
        for one, other in zip(twin.parameters(), conv.parameters(), strict=True):
            torch.testing.assert_close(one, other)
        with torch.no_grad():
            out = shared.eval()(x, EDGE_INDEX)
            torch.testing.assert_close(out, twin.eval()(x, EDGE_INDEX))


@pytest.mark.filterwarnings("ignore:.*find_unused_parameters=True.*:UserWarning")
def test_kl_loss_under_distributed_data_parallel(process_group):
    x = torch.randn(4, 8)
    conv = conv_of(VariationalIBConv, 8, 6)
    twin = copy.deepcopy(conv)
    # The reducer sees what the output depends on, not what the layer keeps.
    shared = DistributedDataParallel(conv, find_unused_parameters=False)
    for _ in range(3):
        for module, layer in ((twin, twin), (shared, conv)):
            module.train().zero_grad()
            torch.manual_seed(1)
            (module(x, EDGE_INDEX).square().sum() + layer.kl_loss()).backward()
        for one, other in zip(twin.parameters(), conv.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad)


@for_our_layers
def test_copies_share_a_class_but_no_state(layer):
    conv = conv_of(layer, 8, 6)
    shallow, deep = copy.copy(conv), copy.deepcopy(conv)
    assert shallow.scale is conv.scale
    assert deep.scale is not conv.scale
    assert deep.scale.equal(conv.scale)
    x = torch.randn(4, 8)
    for twin in (shallow, deep):
        assert type(twin) in (DiagonalGATConv, VariationalIBConv)
        torch.testing.assert_close(twin(x, EDGE_INDEX), conv(x, EDGE_INDEX))
