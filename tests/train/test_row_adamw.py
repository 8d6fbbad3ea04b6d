"""AdamW row by row, beside PyTorch's."""

import pytest
import torch

from pyg_ibmea.train._row_adamw import RowAdamW


def loss_of(weight, number):
    """A loss with gradients of all sizes, some of them zero."""
    torch.manual_seed(number)
    scale = torch.randn_like(weight) * 10 ** torch.randn(len(weight), 1)
    return (weight * scale).relu().sum() + (weight[::2] ** 2).sum()


def reference(table, lrs, weight_decay, numbers):
    """PyTorch's AdamW after one step for each number."""
    weight = torch.nn.Parameter(table.clone())
    optimizer = torch.optim.AdamW([weight], weight_decay=weight_decay)
    for number, lr in zip(numbers, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        loss_of(weight, number).backward()
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("taken", ["once", "again and again"])
def test_all_rows_at_every_step_is_torch_adamw(weight_decay, taken):
    table = torch.randn(30, 8)
    lrs = [0.01 * (1 + step % 7) for step in range(60)]
    expected = reference(table, lrs, weight_decay, range(60))
    optimizer = RowAdamW(table, weight_decay)
    every = torch.arange(30)
    rows = optimizer.take(every)
    for number, lr in enumerate(lrs):
        if taken == "again and again":
            rows = optimizer.take(every)
        loss_of(rows.weight, number).backward()
        optimizer.step(rows, lr)
        if taken == "again and again":
            optimizer.put(rows)
    optimizer.put(rows)
    torch.testing.assert_close(table, expected, rtol=1e-6, atol=1e-6)


def test_each_row_counts_its_own_steps():
    """Rows that are seen alternately are those of two tables of their own."""
    table = torch.randn(10, 4)
    halves = [torch.arange(0, 10, 2), torch.arange(1, 10, 2)]
    turns = [0, 0, 1, 0, 1, 1, 1, 0, 1, 1]
    expected = table.clone()
    for half, index in enumerate(halves):
        numbers = [n for n, turn in enumerate(turns) if turn == half]
        rate = [0.05] * len(numbers)
        expected[index] = reference(table[index], rate, 0.01, numbers)
    optimizer = RowAdamW(table, 0.01)
    for number, turn in enumerate(turns):
        rows = optimizer.take(halves[turn])
        loss_of(rows.weight, number).backward()
        optimizer.step(rows, 0.05)
        optimizer.put(rows)
    torch.testing.assert_close(table, expected, rtol=1e-6, atol=1e-6)
    assert optimizer.steps.flatten().tolist() == [4.0, 6.0] * 5


def test_rows_that_no_step_sees_keep_every_bit():
    table = torch.randn(10, 4)
    before = table.clone()
    optimizer = RowAdamW(table, 0.5)
    rows = optimizer.take(torch.tensor([2, 7]))
    rows.weight.square().sum().backward()
    optimizer.step(rows, 0.1)
    assert table.equal(before)  # Until they are put back.
    optimizer.put(rows)
    changed = (table != before).any(dim=1).nonzero().flatten()
    assert changed.tolist() == [2, 7]
    assert optimizer.mean.any(dim=1).nonzero().flatten().tolist() == [2, 7]


def test_rows_without_a_gradient_stay():
    optimizer = RowAdamW(torch.randn(3, 2))
    rows = optimizer.take(torch.arange(3))
    optimizer.step(rows, 0.1)
    assert rows.weight.equal(optimizer.table)
    assert not rows.steps.any()


def test_state_goes_on_bit_for_bit():
    def steps(optimizer, numbers):
        for number in numbers:
            rows = optimizer.take(torch.arange(number % 3, 12, 2))
            loss_of(rows.weight, number).backward()
            optimizer.step(rows, 0.03)
            optimizer.put(rows)

    whole = RowAdamW(torch.randn(12, 3))
    half = RowAdamW(whole.table.clone())
    steps(whole, range(8))
    steps(half, range(4))
    state = {name: value.clone() for name, value in half.state_dict().items()}
    resumed = RowAdamW(half.table.clone())
    resumed.load_state_dict(state)
    steps(resumed, range(4, 8))
    assert resumed.table.equal(whole.table)
    for name, value in resumed.state_dict().items():
        assert value.equal(whole.state_dict()[name])


@pytest.mark.parametrize("seen", [[], [1], [0, 2, 5], list(range(6))])
def test_rows_that_a_step_did_not_see_stay_as_they_are(seen):
    """Among rows that were taken together; the others are those of a table alone."""
    torch.manual_seed(0)
    table = torch.randn(9, 4)
    index, seen = torch.arange(2, 8), torch.tensor(seen, dtype=torch.long)
    grads = [torch.randn(6, 4) for _ in range(5)]
    alone, together = RowAdamW(table.clone(), 0.1), RowAdamW(table.clone(), 0.1)
    rows, some = together.take(index), alone.take(index[seen])
    for number, grad in enumerate(grads):
        # In every other step all are seen.
        which = None if number % 2 else seen
        rows.weight.grad = grad.clone()
        together.step(rows, 0.05, which)
        some.weight.grad = grad[seen]
        alone.step(some, 0.05)
        assert rows.weight.grad is None
    together.put(rows)
    alone.put(some)
    for one, other in (
        (together.table, alone.table),
        *zip(together.state_dict().values(), alone.state_dict().values(), strict=True),
    ):
        torch.testing.assert_close(one[index[seen]], other[index[seen]])
    others = torch.ones(9, dtype=torch.bool)
    others[index[seen]] = False
    expected = torch.zeros(9, 1)
    expected[index] = 2.0
    expected[index[seen]] = 5.0
    assert together.steps.equal(expected)
    outside = torch.tensor([0, 1, 8])
    assert together.table[outside].equal(table[outside])
    assert not together.mean[outside].any()
