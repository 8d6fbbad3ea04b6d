import pytest
import torch
from pretended_cuda import on_pretended_cuda, tally
from torch import nn

from pyg_ibmea.nn._sparse import unit_rows


def trained(device):
    """What a few steps of a small network make of its weights."""
    torch.manual_seed(0)
    x, sparse = torch.randn(5, 4), torch.eye(5).to_sparse()
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = (sparse.to(device) @ model(x.to(device))).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model[0].weight.device == torch.zeros(1, device=device).device
    return [weight.detach().cpu().tolist() for weight in model.parameters()]


def test_the_numbers_are_those_of_the_cpu():
    assert on_pretended_cuda(trained, "cuda") == trained("cpu")


def mixed():
    x = torch.ones(3, device="cuda")
    assert x.device == torch.device("cuda:0")
    assert x.is_cuda
    assert (x + torch.tensor(1.0)).tolist() == [2.0, 2.0, 2.0]
    x + torch.ones(3)


def test_tensors_of_two_devices_do_not_mix():
    with pytest.raises(RuntimeError, match=r"found at least two devices in aten\.add"):
        on_pretended_cuda(mixed)


def counted():
    x = torch.ones(3, 2, device="cuda", requires_grad=True)
    kept = torch.tensor([True, False, True], device="cuda")
    sparse = torch.eye(3).to_sparse().to("cuda")
    index = torch.tensor([0, 2], device="cuda")
    on_host = torch.tensor([0, 2])
    asked = {
        "item": lambda: x[0, 0].item(),
        "truth": lambda: bool(x[0, 0] > 0),
        "list": x.tolist,
        "to the host": x.cpu,
        "from the host": lambda: torch.tensor([1.0], device="cuda"),
        "from the host at leisure": lambda: index.copy_(on_host, non_blocking=True),
        "rows by mask": lambda: x[kept],
        "rows by number": lambda: x[index],
        "rows of a sparse matrix": lambda: sparse.index_select(0, index),
        "positions": kept.nonzero,
        "view": lambda: x.t()[:1],
        "the package": lambda: unit_rows(x),
        "backward": lambda: x.square().sum().backward(),
    }
    found, lines = {}, set()
    for name, ask in asked.items():
        with tally() as counts:
            ask()
        found[name] = counts.waits.total(), counts.launches.total()
        lines |= {line.split(":")[0] for line in counts.launches}
    return found, lines


def test_what_is_asked_of_the_device_is_counted():
    found, lines = on_pretended_cuda(counted)
    assert found == {
        "item": (1, 0),
        "truth": (1, 1),
        "list": (1, 1),
        "to the host": (1, 1),
        "from the host": (1, 1),
        "from the host at leisure": (0, 1),
        "rows by mask": (1, 1),
        "rows by number": (0, 1),
        "rows of a sparse matrix": (1, 1),
        "positions": (1, 1),
        "view": (0, 0),
        # norm, infinity for short ones, division
        "the package": (0, 3),
        # square and sum; the gradient of the sum, and power and two products of theirs
        "backward": (0, 6),
    }
    assert lines == {
        "tests/test_pretended_cuda.py",
        "pyg_ibmea/nn/_sparse.py",
        "backward",
    }
