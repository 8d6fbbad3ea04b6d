"""A problem of three graphs for the tests."""

import torch

from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.datasets import KnowledgeGraphs


def three_graphs(size=60, seed=0, **options):
    """Three views of one random graph, whose entities are numbered anew in each."""
    generator = torch.Generator().manual_seed(seed)

    def draw(most, *shape):
        return torch.randint(most, shape, generator=generator)

    world = torch.stack([draw(size, 6 * size), draw(5, 6 * size), draw(size, 6 * size)])
    looks = torch.randn(size, 12, generator=generator)
    graphs, number = [], {}
    for name in "abc":
        order = torch.randperm(size, generator=generator)
        kept = world[:, torch.rand(6 * size, generator=generator) < 0.9]
        triples = torch.stack([order[kept[0]], kept[1], order[kept[2]]], dim=1)
        x = torch.empty(size, 12)
        x[order] = looks + 1.2 * torch.randn(size, 12, generator=generator)
        names = [f"{name}{node}" for node in range(size)]
        relations = [f"r{relation}" for relation in range(5)]
        features = {"looks": (x, torch.ones(size, dtype=torch.bool))}
        graphs.append(
            KnowledgeGraph(name, names, relations, triples.unique(dim=0),
                           features=features)
        )  # fmt: skip
        number[name] = order
    # From a to the others; what is between b and c follows.
    links = {("a", kg): torch.stack([number["a"], number[kg]]) for kg in "bc"}
    options = {"ratio": 0.5, "val_ratio": 0.4, **options}
    return KnowledgeGraphs(graphs, links, **options)[0]
