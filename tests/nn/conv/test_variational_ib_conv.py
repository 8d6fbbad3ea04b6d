import copy
import io
import pickle

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch_geometric import EdgeIndex
from torch_geometric.nn import HeteroConv, Sequential
from torch_geometric.testing import assert_module

from pyg_ibmea.nn import DiagonalGATConv, VariationalIBConv

EDGE_INDEX = torch.tensor([[0, 1, 2, 3, 0], [1, 2, 0, 2, 3]])


def single_stack(conv, stack):
    """A DiagonalGATConv with the weights of one stack."""
    single = DiagonalGATConv(
        conv.in_channels, conv.out_channels, conv.heads, weight=conv.weight
    ).to(conv.scale)
    for name in ("scale", "att_src", "att_dst"):
        getattr(single, name).data = getattr(conv, name)[stack : stack + 1]
    if conv.weight == "full":
        single.lins_src[0] = conv.lins_src[stack]
    return single


@pytest.mark.parametrize(
    ("in_channels", "weight"), [(6, "diagonal"), (6, "full"), (3, "full")]
)
def test_mean_and_logstd_are_two_attention_stacks(in_channels, weight):
    conv = VariationalIBConv(in_channels, 6, heads=2, weight=weight).double()
    torch.nn.init.normal_(conv.scale)
    x = torch.randn(4, in_channels, dtype=torch.float64)
    _, posterior = conv(x, EDGE_INDEX, return_posterior=True)
    torch.testing.assert_close(posterior.mean, single_stack(conv, 0)(x, EDGE_INDEX))
    torch.testing.assert_close(
        posterior.logstd, single_stack(conv, 1)(x, EDGE_INDEX) - 3.0
    )


def test_logstd_may_have_an_input_of_its_own():
    conv = VariationalIBConv(6, 6).double()
    x, other = torch.randn(2, 4, 6, dtype=torch.float64)
    _, posterior = conv(x, EDGE_INDEX, x_logstd=other, return_posterior=True)
    torch.testing.assert_close(posterior.mean, single_stack(conv, 0)(x, EDGE_INDEX))
    torch.testing.assert_close(
        posterior.logstd, single_stack(conv, 1)(other, EDGE_INDEX) - 3.0
    )


def test_training_samples_and_evaluation_returns_the_mean():
    conv = VariationalIBConv(8, 8)
    x = torch.randn(4, 8)
    z, posterior = conv(x, EDGE_INDEX, return_posterior=True)
    assert not z.equal(posterior.mean)
    samples = conv(x, EDGE_INDEX, num_samples=20_000)
    assert samples.shape == (20_000, 4, 8)
    error = 5 * posterior.std / 20_000**0.5
    assert ((samples.mean(0) - posterior.mean).abs() < error).all()
    conv.eval()
    assert conv(x, EDGE_INDEX).equal(posterior.mean)
    assert conv(x, EDGE_INDEX, num_samples=2).equal(torch.stack([posterior.mean] * 2))


@pytest.mark.parametrize("length", [0.01, 1000.0])
@pytest.mark.parametrize("in_channels", [30, 20])
def test_sigma_starts_small_however_large_the_input(length, in_channels):
    conv = VariationalIBConv(in_channels, 30, heads=2)
    x = length * torch.randn(4, in_channels)
    _, posterior = conv(x, EDGE_INDEX, return_posterior=True)
    assert posterior.logstd.eq(-3.0).all()
    posterior.kl().sum().backward()
    assert conv.scale.grad[1].abs().min() > 0  # And is free to move.


def test_kl_loss_is_the_mean_over_nodes():
    conv = VariationalIBConv(8, 8)
    _, posterior = conv(torch.randn(4, 8), EDGE_INDEX, return_posterior=True)
    prior = Normal(0.0, 1.0)
    expected = kl_divergence(Normal(posterior.mean, posterior.std), prior)
    torch.testing.assert_close(conv.kl_loss(), expected.sum(1).mean())


def test_kl_loss_before_any_forward():
    with pytest.raises(RuntimeError, match="there has been none yet"):
        VariationalIBConv(8, 8).kl_loss()


def test_copies_drop_the_kl_of_the_last_forward():
    conv = VariationalIBConv(8, 8)
    conv(torch.randn(4, 8), EDGE_INDEX)
    for twin in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        with pytest.raises(RuntimeError):
            twin.kl_loss()
        assert twin.att_src.equal(conv.att_src)
    conv.kl_loss().backward()  # The original keeps it.


def test_gradcheck():
    conv = VariationalIBConv(3, 3, heads=2).double().eval()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in conv.named_parameters()]

    def call(x, *parameters):
        values = dict(zip(names, parameters, strict=True))
        kwargs = {"return_posterior": True}
        z, posterior = torch.func.functional_call(conv, values, (x, EDGE_INDEX), kwargs)
        return z, posterior.kl()

    assert torch.autograd.gradcheck(call, (x, *conv.parameters()))


def test_pyg_conformance():
    conv = VariationalIBConv(8, 16, heads=2).eval()
    assert_module(conv, torch.randn(4, 8), EDGE_INDEX, expected_size=(4, 16), atol=1e-6)


def test_edge_index_and_cached_structure_give_the_same():
    conv = VariationalIBConv(8, 8, heads=2, add_self_loops=False).eval()
    x = torch.randn(4, 8)
    order = EDGE_INDEX[1].argsort(stable=True)
    cached = EdgeIndex(
        EDGE_INDEX[:, order], sparse_size=(4, 4), sort_order="col"
    ).fill_cache_()
    torch.testing.assert_close(conv(x, cached), conv(x, EDGE_INDEX))
    weight = torch.rand(5)
    torch.testing.assert_close(
        conv(x, cached, edge_weight=weight[order]),
        conv(x, EDGE_INDEX, edge_weight=weight),
    )


def test_in_sequential_and_hetero_conv():
    x = torch.randn(4, 8)
    conv = VariationalIBConv(8, 8).eval()
    model = Sequential("x, edge_index", [(conv, "x, edge_index -> x")])
    assert model(x, EDGE_INDEX).equal(conv(x, EDGE_INDEX))

    hetero = HeteroConv({("kg", "rel", "kg"): conv})
    out = hetero({"kg": x}, {("kg", "rel", "kg"): EDGE_INDEX})
    assert out["kg"].equal(conv(x, EDGE_INDEX))
    assert conv.kl_loss() > 0


def test_state_dict_loads_with_weights_only():
    conv = VariationalIBConv(5, 8).eval()
    conv(torch.randn(4, 5), EDGE_INDEX)
    buffer = io.BytesIO()
    torch.save(conv.state_dict(), buffer)
    buffer.seek(0)
    twin = VariationalIBConv(5, 8).eval()
    twin.load_state_dict(torch.load(buffer, weights_only=True))
    x = torch.randn(4, 5)
    assert twin(x, EDGE_INDEX).equal(conv(x, EDGE_INDEX))


def test_reset_parameters():
    conv = VariationalIBConv(8, 8, init_logstd=-1.0)
    torch.nn.init.zeros_(conv.bias_logstd)
    conv(torch.randn(4, 8), EDGE_INDEX)
    conv.reset_parameters()
    assert conv.bias_logstd.eq(-1.0).all()
    with pytest.raises(RuntimeError):
        conv.kl_loss()


def test_each_stack_has_its_own_scores_of_relations():
    options = {"heads": 2, "num_relations": 2, "weight": "diagonal"}
    conv = VariationalIBConv(6, 6, **options).double().eval()
    torch.nn.init.normal_(conv.relation_score)
    x = torch.randn(4, 6, dtype=torch.float64)
    edge_type = torch.tensor([0, 1, 1, 0, 1])
    z, posterior = conv(x, EDGE_INDEX, edge_type=edge_type, return_posterior=True)
    for stack, out in enumerate((z, posterior.logstd + 3.0)):
        single = DiagonalGATConv(6, 6, **options).double()
        for name in ("scale", "att_src", "att_dst"):
            getattr(single, name).data = getattr(conv, name)[stack : stack + 1]
        single.relation_score.data = conv.relation_score[:, 2 * stack : 2 * stack + 2]
        torch.testing.assert_close(single(x, EDGE_INDEX, edge_type=edge_type), out)
