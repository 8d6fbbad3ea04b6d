"""The same computations as a textbook writes them, and as the published code does.

They are what the benchmarks compare with, and are tested to give the same numbers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.utils import scatter, softmax


class TextbookStack(nn.Module):
    """Diagonal graph attention by gather and scatter: one message per edge, head and
    channel.
    """

    def __init__(self, scale: Tensor, att_src: Tensor, att_dst: Tensor):
        super().__init__()
        self.scale, self.att_src, self.att_dst = map(
            nn.Parameter, (scale.clone(), att_src.clone(), att_dst.clone())
        )

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """``[N, C]`` to ``[N, C]``."""
        source, target = edge_index
        h = x[:, None, :] * self.scale  # [N, H, C]
        score = (h * self.att_src).sum(-1)[source] + (h * self.att_dst).sum(-1)[target]
        alpha = softmax(-F.leaky_relu(score, 0.2), target, num_nodes=x.size(0))
        message = alpha[:, :, None] * h[source]
        return scatter(message, target, dim_size=x.size(0)).mean(1)


class _DenseBackward(torch.autograd.Function):
    """A sparse product with learned values whose backward pass goes through a dense
    N x N matrix, as in the graph attention of the published code.
    """

    @staticmethod
    def forward(ctx, indices, values, size, x):
        matrix = torch.sparse_coo_tensor(indices, values, size, check_invariants=False)
        ctx.save_for_backward(matrix, x)
        return matrix @ x

    @staticmethod
    def backward(ctx, grad):
        matrix, x = ctx.saved_tensors
        dense = grad @ x.t()
        rows, columns = matrix._indices()
        return None, dense[rows, columns], None, matrix.t() @ grad


class PublishedStack(TextbookStack):
    """Diagonal graph attention as the published code computes it, a head at a time."""

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """``[N, C]`` to ``[N, C]``."""
        source, target = edge_index
        size = (x.size(0), x.size(0))
        ones = x.new_ones(x.size(0), 1)
        out = 0
        for w, a_src, a_dst in zip(self.scale, self.att_src, self.att_dst, strict=True):
            h = x * w
            score = (h @ a_src)[source] + (h @ a_dst)[target]
            weight = (-F.leaky_relu(score, 0.2)).exp()
            edges = torch.stack([target, source])
            total = _DenseBackward.apply(edges, weight, size, h)
            out = out + total / _DenseBackward.apply(edges, weight, size, ones)
        return out / len(self.scale)


class TwoStacks(nn.Module):
    """Mean and log sigma, each by a stack of its own, with the weights of a
    :class:`pyg_ibmea.nn.VariationalIBConv`.
    """

    def __init__(self, conv, kind):
        super().__init__()
        weights = zip(
            conv.scale.data, conv.att_src.data, conv.att_dst.data, strict=True
        )
        self.mean, self.logstd = (kind(*w) for w in weights)
        self.bias_logstd = nn.Parameter(conv.bias_logstd.data.clone())

    def forward(self, x: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and log sigma of each node, ``[N, C]`` each."""
        logstd = self.logstd(x, edge_index) + self.bias_logstd
        return self.mean(x, edge_index), logstd


def dense_info_nce(a: Tensor, b: Tensor, temperature: float = 0.1) -> Tensor:
    """Symmetric InfoNCE with the whole matrix of logits."""
    logits = F.normalize(a) @ F.normalize(b).t() / temperature
    labels = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


def dense_multi_similarity(
    a: Tensor,
    b: Tensor,
    scale_pos: float = 5.0,
    scale_neg: float = 40.0,
    base: float = 0.5,
) -> Tensor:
    """The multi-similarity loss with the whole matrix of similarities."""
    z = F.normalize(torch.cat([a, b]))
    similarity = z @ z.t()
    rows = torch.arange(len(z), device=z.device)
    partner = rows.roll(len(a))
    positive = F.softplus(-scale_pos * (similarity[rows, partner] - base)) / scale_pos
    exponent = scale_neg * (similarity - base)
    known = torch.zeros_like(exponent, dtype=torch.bool)
    known[rows, rows] = known[rows, partner] = True
    negative = exponent.masked_fill(known, -torch.inf).logsumexp(1)
    return (positive + F.softplus(negative) / scale_neg).mean()


class TextbookModel(nn.Module):
    """The paper's model with two attention stacks of two layers by gather and scatter,
    dense features, and every entity encoded in every step.
    """

    def __init__(self, num_nodes: int, channels: dict[str, int]):
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(num_nodes, 300) / 300**0.5)

        def stack():
            shape = (2, 300)
            return TextbookStack(
                torch.ones(shape), torch.randn(shape), torch.randn(shape)
            )

        self.layers = nn.ModuleList(stack() for _ in range(4))
        self.norm = nn.LayerNorm(300)
        self.hidden, self.mean, self.logstd = (
            nn.ModuleDict(),
            nn.ModuleDict(),
            nn.ModuleDict(),
        )
        for name, width in channels.items():
            self.hidden[name] = nn.Linear(width, 100)
            self.mean[name], self.logstd[name] = (
                nn.Linear(100, 100),
                nn.Linear(100, 100),
            )
        self.score = nn.Parameter(torch.zeros(1 + len(channels)))

    def loss(self, features: dict[str, Tensor], edge_index: Tensor, links: Tensor):
        """The paper's loss: InfoNCE and KL by modality, one more on the fusion."""
        x, gaussians = self.embedding, {}
        parts = []
        for first, second in (self.layers[:2], self.layers[2:]):
            h = F.dropout(F.elu(first(x, edge_index)), 0.45)
            parts.append(second(h, edge_index))
        gaussians["graph"] = self.norm(parts[0]), parts[1] - 3.0
        for name, value in features.items():
            h = F.relu(self.hidden[name](value))
            gaussians[name] = self.mean[name](h), self.logstd[name](h) - 3.0
        total, latents = 0.0, []
        for mean, logstd in gaussians.values():
            z = mean + logstd.exp() * torch.randn_like(mean)
            kl = 0.5 * (mean.square() + (2 * logstd).exp() - 1 - 2 * logstd).sum(1)
            total = total + 1e-3 * kl.mean()
            total = total + dense_info_nce(z[links[0]], z[links[1]])
            latents.append(F.normalize(z))
        weights = self.score.softmax(0)
        fused = torch.cat([w * z for w, z in zip(weights, latents, strict=True)], dim=1)
        return total + 3 * dense_multi_similarity(fused[links[0]], fused[links[1]])
