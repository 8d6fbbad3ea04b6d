import math

import pytest
import torch

from pyg_ibmea.nn.loss._no_counterpart import no_counterpart_loss


def test_against_a_loop():
    generator = torch.Generator().manual_seed(0)
    alone, source, target = (
        torch.randn(n, 5, dtype=torch.double, generator=generator) for n in (3, 4, 4)
    )

    def cos(a, b):
        return float(a @ b / (a.norm() * b.norm()))

    expected = 0.0
    for a in alone:
        pairs = zip(source, target, strict=True)
        excess = [math.exp((cos(a, t) - cos(s, t)) / 0.2) for s, t in pairs]
        expected += math.log(1 + sum(excess))
    found = no_counterpart_loss(alone, source, target, 0.2)
    assert float(found) == pytest.approx(expected)


def test_only_those_without_a_counterpart_move():
    z = [torch.randn(3, 4, dtype=torch.double, requires_grad=True) for _ in range(3)]
    no_counterpart_loss(*z).backward()
    assert z[0].grad.abs().sum() > 0
    assert z[1].grad is None
    assert z[2].grad is None
    others = [side.detach() for side in z[1:]]
    assert torch.autograd.gradcheck(lambda a: no_counterpart_loss(a, *others), z[:1])


def test_nothing_is_lost_where_there_is_none():
    z = torch.randn(3, 4)
    assert no_counterpart_loss(z[:0], z, z) == 0
    assert no_counterpart_loss(z, z[:0], z[:0]) == 0
    half = no_counterpart_loss(z.half(), z.half(), z.half())
    assert half.dtype == torch.float32
