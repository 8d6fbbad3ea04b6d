"""The bottleneck layer inside HeteroConv: the taste of users, from noisy clues.

    python examples/hetero_conv.py

Users know each other and look at items; a third of that is chance. Each edge
type gets its own VariationalIBConv with its own KL.
"""

import torch
import torch.nn.functional as F
from torch_geometric import seed_everything
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, Linear

from pyg_ibmea.nn import VariationalIBConv

NUM_USERS, NUM_ITEMS, NUM_TASTES = 600, 300, 4


def make_data():
    """Users whose taste is to be found, by the company they keep and what they see."""
    data = HeteroData()
    taste = torch.randint(NUM_TASTES, (NUM_USERS,))
    kind = torch.randint(NUM_TASTES, (NUM_ITEMS,))
    data["user"].x = torch.randn(NUM_USERS, 8)  # Carries no information.
    data["user"].y = taste
    data["item"].x = F.one_hot(kind, NUM_TASTES) + 0.5 * torch.randn(
        NUM_ITEMS, NUM_TASTES
    )

    def edges(per_node, labels, others):
        source = torch.arange(len(labels)).repeat_interleave(per_node)
        target = torch.randint(len(others), source.shape)
        alike = labels[source] == others[target]
        kept = alike | (torch.rand(source.shape) < 0.15)
        return torch.stack([source, target])[:, kept]

    data["user", "knows", "user"].edge_index = edges(16, taste, taste)
    views = edges(24, taste, kind)
    data["user", "views", "item"].edge_index = views
    data["item", "viewed_by", "user"].edge_index = views.flip(0)
    order = torch.randperm(NUM_USERS)
    data["user"].train, data["user"].test = order[:120], order[120:]
    return data


class Network(torch.nn.Module):
    """Two rounds of messages over all edge types, then the taste of each user."""

    def __init__(self, edge_types):
        super().__init__()

        def layer():
            return HeteroConv(
                {
                    kind: VariationalIBConv((-1, -1), 32, add_self_loops=False)
                    for kind in edge_types
                }
            )

        self.layers = torch.nn.ModuleList([layer(), layer()])
        self.head = Linear(32, NUM_TASTES)

    def forward(self, x, edge_index):
        """Scores of the tastes, one row per user."""
        for layer in self.layers:
            x = {kind: F.elu(h) for kind, h in layer(x, edge_index).items()}
        return self.head(x["user"])

    def kl(self):
        """The KL of each layer and edge type, nats per node."""
        return {
            (depth, kind[1]): conv.kl_loss()
            for depth, layer in enumerate(self.layers)
            for kind, conv in layer.convs.items()
            # Nothing reads the items of the last layer.
            if not (depth == 1 and kind[2] == "item")
        }


def main(epochs=80, beta=1e-3):
    """Trains and prints accuracy and KL."""
    seed_everything(0)
    data = make_data()
    model = Network(data.edge_types)
    model(data.x_dict, data.edge_index_dict)  # Sets the channels.
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    users = data["user"]
    for _ in range(epochs):
        model.train()
        out = model(data.x_dict, data.edge_index_dict)
        loss = F.cross_entropy(out[users.train], users.y[users.train])
        loss = loss + beta * sum(model.kl().values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        found = model(data.x_dict, data.edge_index_dict).argmax(1)
    right = (found == users.y)[users.test].float().mean()
    print(f"test accuracy {right:.3f} (chance {1 / NUM_TASTES:.3f})")
    for (depth, name), value in model.kl().items():
        print(f"layer {depth + 1}, {name}: {float(value):.1f} nats per node")
    return float(right)


if __name__ == "__main__":
    main()
