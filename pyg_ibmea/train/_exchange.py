"""What a step of several processes exchanges: encoded rows, then gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import Parameter

from pyg_ibmea.nn import IBMEAOutput
from pyg_ibmea.problem import Pair
from pyg_ibmea.train._team import Team


def shares(columns: Tensor, count: int) -> tuple[Tensor, ...]:
    """Divides a batch of pairs among processes, in its order; with fewer pairs than
    processes, some have none.

    Args:
        columns (torch.Tensor): Long ``[2, B]``.
        count (int): How many processes there are.

    Example:
        >>> [part.size(1) for part in shares(torch.zeros(2, 5), 3)]
        [2, 2, 1]
    """
    return columns.tensor_split(count, dim=1)


def gather_output(
    output: IBMEAOutput, pair: Pair, sizes: Sequence[int], team: Team
) -> IBMEAOutput:
    """The output for the whole batch, of what each process has encoded of it.

    Posteriors are left out. What follows must be the same in all processes: gradients
    come back without an exchange, and those of the weights are to be added up.

    Args:
        output (IBMEAOutput): That of this process, for its share.
        pair (tuple): Names of the two graphs.
        sizes (sequence of int): The pairs of each process.
        team (Team): The processes.

    Returns:
        IBMEAOutput: Row i of both graphs is pair i of the batch.
    """
    z = output.z
    matrices = [z[kg] for kg in pair]
    matrices += [latents[kg] for latents in output.latents.values() for kg in pair]
    masks = [mask[kg] for mask in output.masks.values() for kg in pair]
    dtype = matrices[0].dtype
    for matrix in matrices:
        dtype = torch.promote_types(dtype, matrix.dtype)
    # A mean over rows is that of the processes' means, each weighted by its rows.
    rows = {m: _rows_with(output, m, pair) for m in output.kl}
    sums = [kl * rows[m] for m, kl in output.kl.items()]
    own = [x.to(dtype).flatten() for x in (*matrices, *masks)]
    own += [x.to(dtype).reshape(1) for x in (*sums, *rows.values())]

    widths = [x.size(1) for x in matrices] + [1] * len(masks)
    lengths = [size * sum(widths) + 2 * len(rows) for size in sizes]
    vector = torch.cat(own)
    padded = torch.nn.functional.pad(vector, (0, max(lengths) - vector.numel()))
    every = _Gathered.apply(padded, team)
    parts = [
        list(_cut(block[:length], size, widths, len(rows)))
        for block, size, length in zip(every, sizes, lengths, strict=True)
    ]
    blocks = [torch.cat(same) for same in zip(*parts, strict=True)]
    found = iter(blocks)
    of_z = {kg: next(found).to(z[kg].dtype) for kg in pair}
    of_latents = {
        m: {kg: next(found).to(latents[kg].dtype) for kg in pair}
        for m, latents in output.latents.items()
    }
    of_masks = {m: {kg: next(found)[:, 0] > 0 for kg in pair} for m in output.masks}
    totals = [next(found).sum() for _ in sums]
    numbers = [next(found).sum().clamp(min=1) for _ in sums]
    means = zip(output.kl.items(), totals, numbers, strict=True)
    of_kl = {m: (total / n).to(kl.dtype) for (m, kl), total, n in means}
    return IBMEAOutput(of_z, of_latents, of_masks, of_kl, weights=output.weights)


def without_last(
    output: IBMEAOutput, kg: str, number: int
) -> tuple[IBMEAOutput, Tensor]:
    """An output without the last entities of a graph, and their fused vectors.

    Args:
        output (IBMEAOutput): The output; its posteriors are dropped.
        kg (str): Name of the graph.
        number (int): How many.
    """
    kept = output.z[kg].size(0) - number

    def cut(by_graph: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {**by_graph, kg: by_graph[kg][:kept]}

    latents = {m: cut(found) for m, found in output.latents.items()}
    masks = {m: cut(found) for m, found in output.masks.items()}
    rest = IBMEAOutput(cut(output.z), latents, masks, output.kl, weights=output.weights)
    return rest, output.z[kg][kept:]


def _rows_with(output: IBMEAOutput, modality: str, pair: Pair) -> Tensor:
    """How many entities of this process have a modality; all if it does not tell."""
    if modality in output.masks:
        return sum(output.masks[modality][kg].sum() for kg in pair)  # type: ignore
    first = output.z[pair[0]]
    return first.new_tensor(sum(output.z[kg].size(0) for kg in pair))


def _cut(
    block: Tensor, size: int, widths: Sequence[int], scalars: int
) -> Iterator[Tensor]:
    """The matrices ``[size, width]`` and vectors ``[1]`` of one process."""
    lengths = [size * width for width in widths] + [1] * (2 * scalars)
    for part, width in zip(block.split(lengths), widths, strict=False):
        yield part.view(size, width)
    yield from block[sum(lengths) - 2 * scalars :].split(1)


class _Gathered(torch.autograd.Function):
    """The vectors of all processes, ``[count, L]``."""

    @staticmethod
    def forward(ctx: Any, vector: Tensor, team: Team) -> Tensor:
        ctx.rank = team.rank
        found = vector.new_empty(team.count, vector.numel())
        with team.traffic.of_gathering(vector), team.exchanging():
            blocks = list(found.unbind())
            dist.all_gather(blocks, vector.contiguous(), group=team.vectors)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # All processes form the same loss, so that each has what its own rows need.
        return grad[ctx.rank], None


def sum_gradients(
    weights: Iterable[Parameter], common: Iterable[Parameter], team: Team
) -> None:
    """Adds up the gradients of all processes.

    Args:
        weights (iterable of Parameter): What each process's own rows went through.
        common (iterable of Parameter): What was used, in the same way by all processes,
            after the rows had been gathered: their mean is taken.
        team (Team): The processes.
    """
    learned = [p for p in weights if p.requires_grad]
    shared = [p for p in common if p.requires_grad]
    for p in shared:
        if p.grad is not None:
            p.grad = p.grad / team.count
    by_dtype: dict[torch.dtype, list[Parameter]] = {}
    for p in (*learned, *shared):
        by_dtype.setdefault(p.dtype, []).append(p)
    for parameters in by_dtype.values():
        sum_of(parameters, team)
    team.traffic.steps += 1


def sum_of(parameters: Sequence[Parameter], team: Team) -> None:
    """Adds up the gradients of all processes of parameters of one type, in one
    exchange; those of parameters that no process used are ``None``.

    Args:
        parameters (sequence of Parameter): The same in all processes.
        team (Team): The processes.
    """
    known = [float(p.grad is not None) for p in parameters]
    vector = torch.cat(
        [*(_gradient(p) for p in parameters), parameters[0].new_tensor(known)]
    )
    with team.traffic.of_sum(vector), team.exchanging():
        dist.all_reduce(vector, group=team.vectors)
    *grads, known_to = vector.split([*(p.numel() for p in parameters), len(known)])
    for p, grad, number in zip(parameters, grads, known_to.tolist(), strict=True):
        # A weight that no process used must not decay, either.
        p.grad = grad.view_as(p) if number else None


def _gradient(p: Parameter) -> Tensor:
    if p.grad is None:
        return torch.zeros_like(p).flatten()
    return p.grad.to_dense().flatten()
