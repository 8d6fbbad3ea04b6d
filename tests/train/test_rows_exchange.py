"""Tensors of any kind arrive as they were sent, some rows at a time."""

from pathlib import Path

import exchanged_rows
import pytest
import torch
from started_processes import Forked

from pyg_ibmea.train import _rows_exchange, processes
from pyg_ibmea.train._rows_exchange import pieces

SCRIPT = Path(__file__).parent / "exchanged_rows.py"


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_processes_get_what_was_sent(count, tmp_path):
    codes, told = Forked(count, (SCRIPT, tmp_path / "told.pt"), tmp_path).end(100)
    assert codes == [0] * count, told
    assert torch.load(tmp_path / "told.pt") == "all is well"


@pytest.mark.parametrize("kind", exchanged_rows.KINDS)
@pytest.mark.parametrize("most", [1, 7, 40, 10**6])
def test_pieces_are_views_of_all_bytes(kind, most, monkeypatch):
    monkeypatch.setattr(_rows_exchange, "_BYTES", most)
    matrix = exchanged_rows.rows(0, kind)
    found = list(pieces(matrix))
    width = matrix.element_size()
    assert all(piece.numel() <= max(most, width) for piece in found)
    assert torch.cat(found).equal(matrix.view(torch.uint8).view(-1))
    for piece in found:
        piece.zero_()
    assert not matrix.any()
    assert list(pieces(matrix[:0])) == []


def test_one_process_keeps_what_it_has():
    state = exchanged_rows.state()
    assert processes.state_by_first(lambda: state) is state
