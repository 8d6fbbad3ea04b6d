"""Gradients of rows that are taken many times, summed up by two threads."""

import os

import pytest
import torch

from pyg_ibmea.nn import (
    DiagonalGATConv,
    EntityEmbedding,
    GaussianPosterior,
    GraphVIBEncoder,
    RelationalVIBEncoder,
)
from pyg_ibmea.nn.encoder.graphs import RelationalGraph

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")

NUM_ROWS, CHANNELS = 20, 16


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def index():
    return torch.randint(0, NUM_ROWS, (20_000,))


def embedding(index, x):
    table = EntityEmbedding(index, CHANNELS)
    return table(), table.weight


def posterior(index, x):
    return GaussianPosterior(x, x)[index].mean, x


def graph_encoder(index, x):
    encoder = GraphVIBEncoder(CHANNELS, heads=1, dropout=0.0).eval()
    edge_index = torch.arange(NUM_ROWS).repeat(2, 1)
    return encoder(x, edge_index, index)[0], x


def relational_encoder(index, x):
    encoder = RelationalVIBEncoder(CHANNELS, 2, heads=1, dropout=0.0).eval()
    nodes = torch.arange(NUM_ROWS)
    edges = torch.stack([nodes, nodes.roll(1)])
    types = torch.zeros(NUM_ROWS, dtype=torch.long)
    graph = RelationalGraph(edges, types, torch.stack([types, nodes]))
    return encoder(x, graph, index)[0], x


def relations(index, x):
    conv = DiagonalGATConv(
        CHANNELS, CHANNELS, heads=4, num_relations=7, add_self_loops=False
    )
    torch.nn.init.normal_(conv.relation_score)
    senders = torch.arange(100_000)
    edges = torch.stack([senders, senders % len(index)])
    features = torch.randn(len(senders), CHANNELS)
    out = conv(
        (features, None), edges, size=(len(senders), len(index)), edge_type=senders % 7
    )
    return out, conv.relation_score


@pytest.mark.parametrize(
    "rows", [relations, embedding, posterior, graph_encoder, relational_encoder]
)
def test_they_are_the_same_bits_each_time(rows, index):
    gradients = []
    factor = torch.randn(len(index), CHANNELS)
    for _ in range(5):
        torch.manual_seed(0)
        x = torch.randn(NUM_ROWS, CHANNELS, requires_grad=True)
        out, inputs = rows(index, x)
        repeats = out.size(1) // CHANNELS
        (out * factor.repeat(1, repeats)).sum().backward()
        gradients.append(inputs.grad)
    assert gradients[0].any()
    assert all(gradient.equal(gradients[0]) for gradient in gradients)
