"""Two processes that share a batch compute what one process computes with all of it."""

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, HybridContrastiveLoss
from pyg_ibmea.problem import links_of
from pyg_ibmea.train import Objective

PAIR = ("source", "target")
# Unequal parts, so that the blocks that are exchanged differ in size.
PARTS = (slice(0, 5), slice(5, 12))


def in_process(rank, init_file, target, args, results):
    dist.init_process_group(
        "gloo", init_method=f"file://{init_file}", rank=rank, world_size=2
    )
    try:
        results[rank] = target(rank, *args)
    finally:
        dist.destroy_process_group()


def in_two_processes(tmp_path, target, *args):
    with torch.multiprocessing.get_context("spawn").Manager() as manager:
        results = manager.dict()
        torch.multiprocessing.spawn(
            in_process, (str(tmp_path / "init"), target, args, results), nprocs=2
        )
        return results[0], results[1]


def sides():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 12, 6, dtype=torch.double, generator=generator)


def loss_of_part(rank, objective):
    a, b = (side[PARTS[rank]].clone().requires_grad_() for side in sides())
    loss = HybridContrastiveLoss(objective, gather=True)(a, b)
    loss.backward()
    return loss.item(), a.grad, b.grad


@pytest.mark.parametrize("objective", ["info_nce", "multi_similarity"])
def test_gathered_loss_is_that_of_the_whole_batch(tmp_path, objective):
    a, b = (side.requires_grad_() for side in sides())
    loss = HybridContrastiveLoss(objective, gather=True)(a, b)
    loss.backward()
    results = in_two_processes(tmp_path, loss_of_part, objective)
    for rank, (value, grad_a, grad_b) in enumerate(results):
        assert value == pytest.approx(loss.item(), rel=1e-12)
        # Averaged over two processes, as DistributedDataParallel does with weights.
        torch.testing.assert_close(grad_a / 2, a.grad[PARTS[rank]])
        torch.testing.assert_close(grad_b / 2, b.grad[PARTS[rank]])


def gradients(part, wrap):
    data = SyntheticMMKG(num_entities=60)[0]
    torch.manual_seed(0)
    model = IBMEA.from_data(
        data, graph_channels=8, modal_channels=16, dropout=0.0, bottleneck=False
    ).double()
    for store in data.node_stores:
        for key in [k for k in store.keys() if k.startswith("x_")]:  # noqa: SIM118
            store[key] = store[key].double()
    links = links_of(data, "train")[:, :12][:, part]
    objective = Objective(HybridContrastiveLoss("info_nce", gather=True), {})
    wrapped = wrap(model)  # It must outlive the backward pass.
    output = wrapped(data, dict(zip(PAIR, links, strict=True)))
    objective(output, PAIR, 1)[0].backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def gradients_of_part(rank):
    return gradients(PARTS[rank], DistributedDataParallel)


def test_model_under_ddp_has_the_gradients_of_one_process(tmp_path):
    whole = gradients(slice(0, 12), lambda model: model)
    for part in in_two_processes(tmp_path, gradients_of_part):
        assert part.keys() == whole.keys()
        for name, grad in part.items():
            torch.testing.assert_close(
                grad, whole[name], msg=lambda text, name=name: f"{name}: {text}"
            )
