"""What is measured: each case builds its inputs and returns one step to repeat.

A case is a function of a size (quick or full), so that the time can be taken in one
process and the peak memory in a fresh one.
"""

from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch_geometric import EdgeIndex
from torch_geometric.nn import GATConv, GCNConv

from benchmarks import _textbook as textbook
from pyg_ibmea.align import ranks, topk
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import (
    IBMEA,
    HybridContrastiveLoss,
    ModalVIBEncoder,
    VariationalIBConv,
    use_backend,
)
from pyg_ibmea.train import Objective, TrainConfig, links_of

QUICK = SimpleNamespace(
    nodes=10_000, edges=75_000, channels=300, pairs=1_500, rows=10_000, big=10_000,
    entities=5_000,
)  # fmt: skip
FULL = SimpleNamespace(
    nodes=40_000, edges=300_000, channels=300, pairs=4_500, rows=100_000, big=100_000,
    entities=20_000,
)  # fmt: skip

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
        size.channels, size.channels, heads=2, add_self_loops=False
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


def _loss_step(loss, pairs, channels) -> Step:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, pairs, channels, generator=generator)
    a, b = a.requires_grad_(), (a + b).requires_grad_()

    def step():
        loss(a, b).backward()

    return step


def multi_similarity_ours(size) -> Step:
    return _loss_step(HybridContrastiveLoss(), size.pairs, 600)


def multi_similarity_dense(size) -> Step:
    return _loss_step(textbook.dense_multi_similarity, size.pairs, 600)


def multi_similarity_library(size) -> Step:
    """pytorch-metric-learning's loss."""
    from pytorch_metric_learning.losses import MultiSimilarityLoss

    loss = MultiSimilarityLoss(alpha=5, beta=40, base=0.5)
    labels = torch.arange(size.pairs).repeat(2)
    return _loss_step(lambda a, b: loss(torch.cat([a, b]), labels), size.pairs, 600)


def info_nce_ours(size) -> Step:
    return _loss_step(HybridContrastiveLoss("info_nce"), size.pairs, 600)


def info_nce_dense(size) -> Step:
    return _loss_step(textbook.dense_info_nce, size.pairs, 600)


def info_nce_big(size) -> Step:
    """As many pairs as no dense matrix of logits has room for."""
    return _loss_step(HybridContrastiveLoss("info_nce"), size.big, 300)


def _sides(size) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, size.rows, 300, generator=generator)
    return a, a + b


def ranks_ours(size) -> Step:
    a, b = _sides(size)
    return lambda: ranks(a, b, "csls")


def ranks_products(size) -> Step:
    """The two matrix products that CSLS ranks need, block by block, and no more."""
    a, b = _sides(size)
    block = max(1, 2**24 // len(b))
    buffer = torch.empty(block, len(b))

    def step():
        for _ in range(2):
            for rows in a.split(block):
                torch.mm(rows, b.t(), out=buffer[: len(rows)])

    return step


def ranks_dense(size) -> Step:
    """Cosines as one matrix, sorted: ranks without CSLS, in one direction."""
    a, b = _sides(size)

    def step():
        order = (a @ b.t()).argsort(1, descending=True)
        return (order == torch.arange(len(a))[:, None]).nonzero()[:, 1]

    return step


def topk_ours(size) -> Step:
    """The ten best target rows of every source row, exactly."""
    a, b = _sides(size)
    return lambda: topk(a, b, 10)


def topk_faiss(size) -> Step:
    """The same by faiss, exactly (its flat index)."""
    import faiss

    a, b = (F.normalize(side).numpy() for side in _sides(size))

    def step():
        index = faiss.IndexFlatIP(a.shape[1])
        index.add(b)
        return index.search(a, 10)

    return step


def _step_data(size):
    return SyntheticMMKG(
        num_entities=size.entities, num_relations=1500, num_attributes=1000,
        image_channels=2048, missing={"image": 0.25},
        modalities=("relation", "attribute", "image"),
    )[0]  # fmt: skip


def _our_step(data, config) -> Step:
    torch.manual_seed(0)
    model = IBMEA.from_data(data, **config.model_options())
    objective = Objective.from_config(config, model.modalities)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    links, edges = links_of(data, "train"), model.graph_of(data)
    entities = {"source": links[0], "target": links[1]}

    def step():
        output = model(data, entities, edges)
        loss, _ = objective(output, ("source", "target"), 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def step_ours(size) -> Step:
    """A training step of the paper's model and losses, all seed pairs in a batch."""
    from pyg_ibmea.train import PAPER

    config = TrainConfig(**{**PAPER["DBP15K"], "graph_channels": 300})
    return _our_step(_step_data(size), config)


def step_textbook(size) -> Step:
    """The same step by gather and scatter, dense features and dense losses."""
    from pyg_ibmea.nn import union_graph

    data = _step_data(size)
    edge_index = union_graph(data).as_tensor()
    features = {}
    for modality in ("relation", "attribute", "image"):
        x = [data[kg][f"x_{modality}"] for kg in ("source", "target")]
        features[modality] = torch.cat([t.to_dense() if t.is_sparse else t for t in x])
    links = links_of(data, "train") + torch.tensor([[0], [data["source"].num_nodes]])
    torch.manual_seed(0)
    widths = {name: x.size(1) for name, x in features.items()}
    model = textbook.TextbookModel(2 * size.entities, widths)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        loss = model.loss(features, edge_index, links)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


GROUPS: dict[str, list[Callable]] = {
    "convolution": [
        conv_ours, conv_ours_torch, conv_textbook, conv_published, conv_gat, conv_gcn
    ],
    "modal encoder": [modal_sparse, modal_dense],
    "multi-similarity": [
        multi_similarity_ours, multi_similarity_dense, multi_similarity_library
    ],
    "InfoNCE": [info_nce_ours, info_nce_dense],
    "InfoNCE, many pairs": [info_nce_big],
    "ranks": [ranks_ours, ranks_products, ranks_dense],
    "search": [topk_ours, topk_faiss],
    "training step": [step_ours, step_textbook],
}  # fmt: skip
"""Cases by group; the first of a group is what the others are compared with."""

SLOW = {
    conv_published,
    info_nce_big,
    ranks_ours,
    ranks_products,
    ranks_dense,
    topk_ours,
    topk_faiss,
}
"""Cases that run once or twice only."""

TOO_LARGE = {ranks_dense}
"""Cases that do not fit into memory at full size."""
