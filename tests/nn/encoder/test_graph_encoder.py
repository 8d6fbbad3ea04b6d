import pytest
import torch
import torch.nn.functional as F

from pyg_ibmea.nn import GraphVIBEncoder

EDGE_INDEX = torch.tensor([[0, 1, 2, 3], [1, 2, 0, 2]])


@pytest.mark.parametrize("separate", [False, True])
def test_equals_its_layers_one_by_one(separate):
    encoder = GraphVIBEncoder(6, num_layers=3, separate_stacks=separate).eval()
    x = torch.randn(4, 6)

    def hidden(convs):
        h = x
        for conv in convs:
            h = F.elu(conv(h, EDGE_INDEX))
        return h

    h_mean = hidden(encoder.hidden_mean)
    h_logstd = hidden(encoder.hidden_logstd) if separate else None
    inner = encoder.conv.encode(h_mean, EDGE_INDEX, x_logstd=h_logstd)
    z, posterior = encoder(x, EDGE_INDEX)
    torch.testing.assert_close(z, F.layer_norm(inner.mean, (6,)))
    torch.testing.assert_close(posterior.logstd, inner.logstd)
    assert z.equal(posterior.mean)


def test_without_bottleneck_nothing_is_drawn():
    encoder = GraphVIBEncoder(6, dropout=0.0, bottleneck=False)
    x = torch.randn(4, 6)
    z, posterior = encoder(x, EDGE_INDEX)
    assert posterior is None
    assert z.equal(encoder(x, EDGE_INDEX)[0])


def test_training_draws_and_drops():
    x = torch.randn(4, 6)
    sampled = GraphVIBEncoder(6, dropout=0.0)
    z, posterior = sampled(x, EDGE_INDEX)
    assert not z.equal(posterior.mean)
    assert posterior.mean.equal(sampled(x, EDGE_INDEX)[1].mean)
    dropped = GraphVIBEncoder(6, dropout=0.5)
    first, second = (dropped(x, EDGE_INDEX)[1].mean for _ in range(2))
    assert not first.equal(second)


@pytest.mark.parametrize("bottleneck", [True, False])
def test_some_nodes_alone(bottleneck):
    encoder = GraphVIBEncoder(6, bottleneck=bottleneck).eval()
    x, nodes = torch.randn(4, 6), torch.tensor([3, 0, 3])
    whole = encoder(x, EDGE_INDEX)[0]
    torch.testing.assert_close(encoder(x, EDGE_INDEX, nodes)[0], whole[nodes])


def test_gradcheck():
    encoder = GraphVIBEncoder(3, num_layers=2).double().eval()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)

    def call(x):
        z, posterior = encoder(x, EDGE_INDEX)
        return z, posterior.kl()

    assert torch.autograd.gradcheck(call, (x,))


def test_reset_and_repr():
    encoder = GraphVIBEncoder(6)
    before = encoder.conv.att_src.clone()
    encoder.reset_parameters()
    assert not encoder.conv.att_src.equal(before)
    assert repr(encoder) == "GraphVIBEncoder(6, num_layers=2, heads=2)"
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        GraphVIBEncoder(6, num_layers=0)
