"""Cases of layers: one forward and backward pass over a random graph or bags."""

from collections.abc import Callable

import torch
from torch_geometric import EdgeIndex
from torch_geometric.nn import GATConv, GCNConv

from benchmarks import _textbook as textbook
from pyg_ibmea.nn import ModalVIBEncoder, VariationalIBConv, use_backend

Step = Callable[[], object]


def graph(nodes: int, edges: int) -> EdgeIndex:
    """A random graph with self-loops, sorted, its structure cached."""
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randint(nodes, (2, edges), generator=generator)
    pairs = torch.cat([pairs, torch.arange(nodes).repeat(2, 1)], dim=1)
    pairs = pairs[:, pairs[1].argsort(stable=True)]
    out = EdgeIndex(pairs, sparse_size=(nodes, nodes), sort_order="col")
    return out.fill_cache_()


def _conv_step(layer, size, edge_index=None) -> Step:
    x = torch.randn(size.nodes, size.channels, requires_grad=True)
    edge_index = graph(size.nodes, size.edges) if edge_index is None else edge_index

    def step():
        out = layer(x, edge_index)
        out = out if isinstance(out, tuple) else (out,)
        torch.autograd.backward(out, [torch.ones_like(o) for o in out])

    return step


def _variational(size) -> VariationalIBConv:
    torch.manual_seed(0)
    return VariationalIBConv(
        size.channels,
        size.channels,
        heads=2,
        add_self_loops=False,
        bias=False,
        weight="diagonal",
    )


def conv_ours(size, backend="auto") -> Step:
    conv = _variational(size)

    def layer(x, edge_index):
        posterior = conv.encode(x, edge_index)
        return posterior.mean, posterior.logstd

    step = _conv_step(layer, size)

    def with_backend():
        with use_backend(backend):
            step()

    return with_backend


def conv_ours_torch(size) -> Step:
    return conv_ours(size, "torch")


def conv_textbook(size) -> Step:
    layer = textbook.TwoStacks(_variational(size), textbook.TextbookStack)
    return _conv_step(layer, size, graph(size.nodes, size.edges).as_tensor())


def conv_published(size) -> Step:
    layer = textbook.TwoStacks(_variational(size), textbook.PublishedStack)
    return _conv_step(layer, size, graph(size.nodes, size.edges).as_tensor())


def conv_gat(size) -> Step:
    """One GATConv, which does half the work: a mean and no log sigma."""
    c = size.channels
    layer = GATConv(c, c, heads=2, concat=False, add_self_loops=False)
    return _conv_step(layer, size, graph(size.nodes, size.edges).as_tensor())


def conv_gcn(size) -> Step:
    layer = GCNConv(size.channels, size.channels, add_self_loops=False)
    return _conv_step(layer, size, graph(size.nodes, size.edges).as_tensor())


def _bags(size) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    entries = torch.randint(1000, (size.nodes, 12), generator=generator)
    rows = torch.arange(size.nodes).repeat_interleave(12)
    values = torch.ones(rows.numel())
    bags = torch.sparse_coo_tensor(
        torch.stack([rows, entries.flatten()]), values, (size.nodes, 1000)
    )
    return bags.coalesce()


def modal_sparse(size) -> Step:
    encoder, x = ModalVIBEncoder({"attribute": 1000}, 100), _bags(size)

    def step():
        latents, posteriors = encoder({"attribute": x})
        (latents["attribute"].sum() + posteriors["attribute"].kl().mean()).backward()

    return step


def modal_dense(size) -> Step:
    """The same bags as a dense matrix."""
    encoder, x = ModalVIBEncoder({"attribute": 1000}, 100), _bags(size).to_dense()

    def step():
        latents, posteriors = encoder({"attribute": x})
        (latents["attribute"].sum() + posteriors["attribute"].kl().mean()).backward()

    return step
