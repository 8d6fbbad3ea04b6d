"""Does a bottleneck help a graph network on noisy graphs? Node classification.

    python examples/noisy_nodes.py --out runs/noisy_nodes

Nodes of five classes in a stochastic block model, with noisy features and a growing
share of edges rewired at random. It compares GATConv, the attention layer of this
package without a bottleneck, and VariationalIBConv, whose beta is chosen on the
validation nodes. Accuracy on the test nodes is reported whatever it shows.
"""

import argparse
import csv
import statistics
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from torch_geometric import seed_everything
from torch_geometric.nn import GATConv
from torch_geometric.utils import stochastic_blockmodel_graph, to_undirected

from pyg_ibmea.nn import DiagonalGATConv, VariationalIBConv

matplotlib.use("agg")
import matplotlib.pyplot as plt

NUM_CLASSES, CLASS_SIZE, CHANNELS = 5, 200, 32
BETAS = (0.0, 1e-4, 1e-3, 1e-2)


def make_graph(noise, feature_noise, seed):
    """Features, edges, labels; a share ``noise`` of the edges has a random end."""
    torch.manual_seed(seed)
    label = torch.arange(NUM_CLASSES).repeat_interleave(CLASS_SIZE)
    within, between = 0.04, 0.002
    probability = torch.full((NUM_CLASSES, NUM_CLASSES), between)
    probability.fill_diagonal_(within)
    edges = stochastic_blockmodel_graph([CLASS_SIZE] * NUM_CLASSES, probability)
    edges = edges[:, edges[0] < edges[1]]
    rewired = torch.rand(edges.size(1)) < noise
    edges[1, rewired] = torch.randint(len(label), (int(rewired.sum()),))
    centre = torch.randn(NUM_CLASSES, CHANNELS)
    x = centre[label] + feature_noise * torch.randn(len(label), CHANNELS)
    order = torch.randperm(len(label))
    parts = {"train": order[:100], "val": order[100:250], "test": order[250:]}
    return x, to_undirected(edges), label, parts


class Network(torch.nn.Module):
    """Two layers of one kind; ``kl`` holds their KL in nats per node."""

    def __init__(self, kind):
        super().__init__()
        if kind is GATConv:
            self.first = GATConv(CHANNELS, 64, heads=2, concat=False)
            self.second = GATConv(64, NUM_CLASSES, heads=2, concat=False)
        else:
            self.first = kind(CHANNELS, 64, heads=2, bias=False)
            self.second = kind(64, NUM_CLASSES, heads=2, bias=False)

    def forward(self, x, edge_index):
        """Scores of the classes, ``[N, NUM_CLASSES]``."""
        h = F.dropout(F.elu(self.first(x, edge_index)), 0.5, self.training)
        out = self.second(h, edge_index)
        convs = (self.first, self.second)
        variational = isinstance(self.first, VariationalIBConv)
        self.kl = sum(conv.kl_loss() for conv in convs) if variational else 0.0
        return out


def accuracy(model, x, edge_index, label, nodes):
    """The share of nodes whose class is found."""
    model.eval()
    with torch.no_grad():
        found = model(x, edge_index)[nodes].argmax(1)
    return float((found == label[nodes]).float().mean())


def run(kind, beta, problem, epochs, seed):
    """Validation and test accuracy at the epoch that validation chooses."""
    x, edge_index, label, parts = problem
    seed_everything(seed)
    model = Network(kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    best = (-1.0, 0.0)
    for epoch in range(1, epochs + 1):
        model.train()
        out = model(x, edge_index)
        nodes = parts["train"]
        loss = F.cross_entropy(out[nodes], label[nodes]) + beta * model.kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 5 == 0:
            val, test = (
                accuracy(model, x, edge_index, label, parts[part])
                for part in ("val", "test")
            )
            best = max(best, (val, test), key=lambda pair: pair[0])
    return best


def compare(noise, feature_noise, epochs, seed):
    """Test accuracy of each model on one graph, and the beta that was chosen."""
    problem = make_graph(noise, feature_noise, seed)
    options = (problem, epochs, seed)
    tuned = {beta: run(VariationalIBConv, beta, *options) for beta in BETAS}
    chosen = max(tuned, key=lambda beta: tuned[beta][0])
    return {
        "GATConv": run(GATConv, 0.0, *options)[1],
        "DiagonalGATConv": run(DiagonalGATConv, 0.0, *options)[1],
        "VariationalIBConv": tuned[chosen][1],
        "beta": chosen,
    }


def plot(rows, models, path):
    """Mean and standard deviation over seeds, by share of edges rewired."""
    levels = sorted({row["noise"] for row in rows})
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for model in models:
        values = [[r[model] for r in rows if r["noise"] == n] for n in levels]
        spread = [statistics.pstdev(v) for v in values]
        mean = [statistics.mean(v) for v in values]
        axes.errorbar(levels, mean, spread, marker="o", capsize=3, label=model)
    axes.set(xlabel="share of edges rewired", ylabel="test accuracy")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    """Runs all noise levels and seeds, and writes a table and a plot."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/noisy_nodes"))
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--feature-noise", type=float, default=4.0)
    parser.add_argument(
        "--noise", type=float, nargs="+", default=[0.0, 0.2, 0.4, 0.6, 0.8]
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    models = ("GATConv", "DiagonalGATConv", "VariationalIBConv")
    rows = []
    print("noise  " + "  ".join(f"{model:>17}" for model in models) + "  betas chosen")
    for noise in args.noise:
        level = [
            {"noise": noise, "seed": seed}
            | compare(noise, args.feature_noise, args.epochs, seed)
            for seed in range(args.seeds)
        ]
        rows += level
        cells = []
        for model in models:
            values = [row[model] for row in level]
            mean, spread = statistics.mean(values), statistics.pstdev(values)
            cells.append(f"{mean:.3f} +- {spread:.3f}")
        betas = " ".join(f"{row['beta']:g}" for row in level)
        print(f"{noise:5.2f}  " + "  ".join(f"{c:>17}" for c in cells) + f"  {betas}")
    with open(args.out / "accuracy.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    plot(rows, models, args.out / "accuracy.png")
    print(f"accuracy.csv and accuracy.png are in {args.out}")


if __name__ == "__main__":
    main()
