"""What the benchmarks compare with must compute the same."""

import pytest
import torch

from benchmarks import _textbook as textbook
from benchmarks import cases, large
from benchmarks._layers import graph
from pyg_ibmea.nn import HybridContrastiveLoss, VariationalIBConv

TINY = cases.TINY


@pytest.mark.parametrize("kind", [textbook.TextbookStack, textbook.PublishedStack])
def test_layers_compute_the_same(kind):
    conv = VariationalIBConv(
        6, 6, heads=2, add_self_loops=False, bias=False, weight="diagonal"
    ).double()
    torch.nn.init.normal_(conv.scale)
    twin = textbook.TwoStacks(conv, kind)
    edge_index = graph(30, 90)
    x = torch.randn(30, 6, dtype=torch.double, requires_grad=True)
    posterior = conv.encode(x, edge_index)
    ours = (posterior.mean, posterior.logstd)
    theirs = twin(x, edge_index.as_tensor())
    torch.testing.assert_close(theirs, ours)
    grads = [torch.randn_like(out) for out in ours]
    torch.testing.assert_close(
        torch.autograd.grad(theirs, x, grads), torch.autograd.grad(ours, x, grads)
    )


@pytest.mark.parametrize(
    ("dense", "objective"),
    [
        (textbook.dense_info_nce, "info_nce"),
        (textbook.dense_multi_similarity, "multi_similarity"),
    ],
)
def test_losses_compute_the_same(dense, objective):
    a, b = torch.randn(2, 9, 5, dtype=torch.double)
    loss = HybridContrastiveLoss(objective)
    torch.testing.assert_close(dense(a, b), loss(a, b))


def test_agreement_is_the_same():
    ours, theirs = (step(TINY)() for step in cases.GROUPS["agreement of neighbours"])
    found = ours.coalesce()
    pairs = map(tuple, found.indices().t().tolist())
    found = dict(zip(pairs, found.values().tolist(), strict=True))
    least = 1e-9
    assert {p: v for p, v in found.items() if v > least} == pytest.approx(
        {p: v for p, v in theirs.items() if v > least}, rel=1e-4
    )
    ours, theirs = (step(TINY)() for step in cases.GROUPS["rounds of agreement"])
    torch.testing.assert_close(ours.to_dense(), theirs.to_dense())
    assert theirs.to_dense().max() > 0.1


@pytest.mark.parametrize(
    "case", [c for members in cases.GROUPS.values() for c in members]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_case_runs(case):
    case(TINY)()


def test_large_cases_are_measured_in_processes_of_their_own(monkeypatch):
    monkeypatch.setattr(cases, "LARGE", {cases.BY_NAME["topk_ours"]})
    (result,) = large.run(TINY)
    assert (result["group"], result["name"]) == ("search", "topk_ours")
    assert result["stats"]["median"] > 0
    assert result["extra_info"]["size"]["rows"] == 12
