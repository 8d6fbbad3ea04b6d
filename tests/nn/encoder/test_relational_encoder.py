import pytest
import torch
import torch.nn.functional as F

from pyg_ibmea.nn import RelationalGraph, RelationalVIBEncoder

NUM_TYPES, NUM_NODES = 3, 5
SOURCE = torch.tensor([1, 2, 2, 0, 3, 0])
TARGET = torch.tensor([0, 0, 0, 1, 1, 2])  # Ascending; nodes 3 and 4 receive nothing.
EDGE_TYPE = torch.tensor([0, 1, 2, 1, 1, 0])


@pytest.fixture
def graph():
    return RelationalGraph(
        torch.stack([SOURCE, TARGET]), EDGE_TYPE, torch.stack([EDGE_TYPE, TARGET])
    )


def randomised(encoder):
    """Away from the symmetric start, where many mistakes would not show."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return encoder


def attend(conv, stack, x_source, x_target, source, edge_type):
    """One attention stack by loops, softmax and all."""
    out = torch.zeros(NUM_NODES, x_source.size(1), dtype=x_source.dtype)
    for head in range(conv.heads):
        column = stack * conv.heads + head
        w = conv.scale[stack, head]
        for i in range(NUM_NODES):
            edges = [e for e, target in enumerate(TARGET.tolist()) if target == i]
            scores = []
            for e in edges:
                score = conv.att_src[stack, head] @ (w * x_source[source[e]])
                if x_target is not None:
                    score = score + conv.att_dst[stack, head] @ (w * x_target[i])
                score = -F.leaky_relu(score, 0.2)
                if edge_type is not None:
                    score = score + conv.relation_score[edge_type[e], column]
                scores.append(score)
            if edges:
                for e, alpha in zip(edges, torch.stack(scores).softmax(0), strict=True):
                    out[i] = out[i] + alpha * w * x_source[source[e]] / conv.heads
    return out


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("heads", [1, 2])
def test_equals_its_parts_by_loops(graph, heads, bottleneck):
    encoder = RelationalVIBEncoder(4, NUM_TYPES, 2, heads, bottleneck=bottleneck)
    encoder = randomised(encoder.double().eval())
    x = torch.randn(NUM_NODES, 4, dtype=torch.double)
    x[3] = 0
    with torch.no_grad():
        args = (encoder.relation_embedding, None, EDGE_TYPE, None)
        means = [x, attend(encoder.relation_conv, 0, *args)]
        logstds = []
        if bottleneck:
            shift = encoder.relation_conv.bias_logstd
            around = attend(encoder.relation_conv, 1, *args) + shift
            logstds = [encoder.own_logstd.expand_as(x), around]
        hidden = x
        for conv in encoder.convs:
            args = (hidden, hidden, SOURCE, EDGE_TYPE)
            if bottleneck:
                logstds.append(attend(conv, 1, *args) + conv.bias_logstd)
            means.append(attend(conv, 0, *args))
            hidden = F.normalize(means[-1])
        weight = (4 * encoder.score.softmax(0)).sqrt()
        parts = zip(encoder.norms, means, weight, strict=True)
        expected = torch.cat([norm(mean) * w for norm, mean, w in parts], dim=1)
        latent, posterior = encoder(x, graph)
    torch.testing.assert_close(latent, expected)
    if not bottleneck:
        assert posterior is None
        return
    torch.testing.assert_close(posterior.mean, expected)
    torch.testing.assert_close(posterior.logstd, torch.cat(logstds, dim=1))


@pytest.mark.parametrize("bottleneck", [True, False])
def test_some_nodes_alone(graph, bottleneck):
    encoder = RelationalVIBEncoder(4, NUM_TYPES, bottleneck=bottleneck).eval()
    x, nodes = torch.randn(NUM_NODES, 4), torch.tensor([4, 0, 4])
    whole, part = encoder(x, graph)[0], encoder(x, graph, nodes)[0]
    assert part.shape == (3, encoder.out_channels)
    torch.testing.assert_close(part, whole[nodes])


def test_training_draws_and_drops(graph):
    x = torch.randn(NUM_NODES, 4)
    encoder = RelationalVIBEncoder(4, NUM_TYPES, dropout=0.0)
    z, posterior = encoder(x, graph)
    assert not z.equal(posterior.mean)
    assert encoder(x, graph)[1].mean.equal(posterior.mean)
    dropped = RelationalVIBEncoder(4, NUM_TYPES, dropout=0.5, bottleneck=False)
    first, second = (dropped(x, graph)[0] for _ in range(2))
    assert not first.equal(second)
    # What comes before the first dropout is the same.
    assert first[:, :12].equal(second[:, :12])


@pytest.mark.parametrize("bottleneck", [True, False])
def test_gradcheck(graph, bottleneck):
    encoder = RelationalVIBEncoder(2, NUM_TYPES, bottleneck=bottleneck)
    encoder = randomised(encoder.double().eval())
    x = torch.randn(NUM_NODES, 2, dtype=torch.double, requires_grad=True)
    names = ["convs.0.relation_score", "relation_embedding", "score"]
    given = [encoder.get_parameter(name) for name in names]

    def call(x, *_):
        z, posterior = encoder(x, graph)
        return z if posterior is None else (z, posterior.kl())

    assert torch.autograd.gradcheck(call, (x, *given))


def test_reset_repr_and_bad_options():
    encoder = RelationalVIBEncoder(4, NUM_TYPES)
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    randomised(encoder).reset_parameters()
    for name, parameter in encoder.named_parameters():
        drawn = "att_" in name or "embedding" in name
        assert parameter.equal(before[name]) != drawn, name
    assert repr(encoder) == "RelationalVIBEncoder(4, num_layers=2, heads=1)"
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        RelationalVIBEncoder(4, NUM_TYPES, num_layers=0)
