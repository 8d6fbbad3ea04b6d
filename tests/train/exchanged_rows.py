"""What processes send each other: each looks whether it got what it should.

torchrun --nproc-per-node=2 tests/train/exchanged_rows.py FILE
"""

import pickle
import sys

import torch

from pyg_ibmea.train import _rows_exchange, processes
from pyg_ibmea.train._rows_exchange import gather_rows, share_state
from pyg_ibmea.train._team import team

KINDS = (torch.float, torch.half, torch.double, torch.long, torch.bool, torch.int32)


def rows(number, kind=torch.float):
    """Some of every process but the second, which has none."""
    count = 0 if number == 1 else 7 + number
    generator = torch.Generator().manual_seed(number)
    return torch.randn(count, 5, generator=generator).mul(9).to(kind)


def state():
    """As a checkpoint holds it."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(300, 7, generator=generator)
    kinds = {str(kind): table.mul(9).to(kind) for kind in KINDS}
    return {
        "epoch": 3,
        "none": None,
        "lists": [table.t(), (table[:0], "text", [1.5])],
        "by number": {0: kinds, 1: torch.tensor(2.5)},
        ("a", "b"): torch.arange(6).view(2, 3),
    }


def same(one, other):
    """Whether two states are the same, types and shapes included."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.equal(other)
    if isinstance(one, dict):
        keys = list(one) == list(other)
        return keys and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def main(file):
    """Fails in any process where something is not as it should be."""
    _rows_exchange._BYTES = 100
    with processes.joined():
        own = team()
        for kind in KINDS:
            every = gather_rows(rows(own.rank, kind), own)
            expected = [rows(number, kind) for number in range(own.count)]
            assert every.equal(torch.cat(expected)), kind
        none = gather_rows(torch.empty(0, 3), own)
        assert none.shape == (0, 3)
        messages, broadcast = [], own.broadcast
        own.broadcast = lambda value: messages.append(value) or broadcast(value)
        found = share_state(state() if own.rank == 0 else None, own)
        assert same(found, state())
        again = processes.state_by_first(lambda: own.rank == 0 and state())
        assert same(again, state())
        if own.rank == 0:
            # No tensor is in a message.
            assert len(messages) == 2
            assert all(len(pickle.dumps(one)) < 2000 for one in messages)
            torch.save("all is well", file)


if __name__ == "__main__":
    main(*sys.argv[1:])
