"""Inner layers whose rows several workers compute."""

import pytest
import torch

from pyg_ibmea.nn.encoder._by_chunks import Division, divided, filled


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 10, 23])
def test_workers_compute_each_row_once_and_have_all(count, size):
    x = torch.randn(size, 4)
    computed, sent = {}, {}

    def run(number):
        def chunks(rows):
            computed.setdefault(number, []).extend(range(rows.start, rows.stop))
            return 2 * x[rows]

        def share(rows, worker):
            """What the worker that computed the rows has sent before."""
            place = len(asked)
            asked.append(worker)
            if worker == number:
                sent[place] = rows.clone()
            elif place in sent:
                rows.copy_(sent[place])

        asked = []
        with divided(Division(number, count, share)):
            found = filled(chunks, size, x, 5)
        return found, asked

    rounds = [run(number) for number in range(count)]
    assert all(asked == rounds[0][1] for _, asked in rounds)
    each = [row for rows in computed.values() for row in rows]
    assert sorted(each) == list(range(size))
    if size > 5 * count:
        assert len(computed) == count
    # By now all have sent theirs, and the first finds those of the others.
    again, _ = run(0)
    assert again.equal(2 * x)


def test_outside_all_rows_are_computed():
    x = torch.randn(12, 3)
    with divided(Division(1, 2, lambda rows, worker: rows.zero_())):
        pass
    assert filled(lambda rows: x[rows] + 1, 12, x, 5).equal(x + 1)
