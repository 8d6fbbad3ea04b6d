"""The entries of Sinkhorn scaling of many candidates."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import exact_products
from pyg_ibmea.align.candidates import Candidates


class SparseKernel:
    """The entries of candidates, divided by the best of their row and then by the best
    of their column, as sparse matrices both ways.

    Every row and column then has an entry of 1. Where potentials are so far apart that
    a sum nearly vanishes, the logarithms of the entries are used, which is slow. The
    sum of a row without candidates counts as 1.

    Args:
        candidates (Candidates): The pairs, with their cosines.
        temperature (float): What the cosines are divided by.
        swap (bool): Whether the rows are those of the target.
    """

    # Of a sum: what is lost below the least positive number is no part of it.
    _LEAST = 1e-25

    def __init__(
        self, candidates: Candidates, temperature: float, swap: bool = False
    ) -> None:
        self.candidates, self.temperature = candidates, temperature
        self.device = candidates.cosine.device
        self.is_log = False
        self.unfit = torch.zeros((), dtype=torch.bool, device=self.device)
        sides = (candidates.by_source, candidates.by_target)
        entry = candidates.cosine / temperature
        best, matrices = [], []
        for rows, side in zip(candidates.pairs, sides, strict=True):
            best.append(side.largest(entry))
            best[-1].masked_fill_(side.pointer.diff() == 0, 0.0)
            entry -= best[-1].index_select(0, rows)
        entry.exp_()
        for number, side in enumerate(sides):
            columns, values = candidates.pairs[1 - number], entry
            if side.order is not None:
                columns = columns.index_select(0, side.order)
                values = values.index_select(0, side.order)
            size = candidates.size[number], candidates.size[1 - number]
            matrices.append(_csr(side.pointer, columns, values, size))
        self.there = [side.pointer.diff() > 0 for side in sides]
        self.matrices, self.best = matrices, [values.double() for values in best]
        self.sides = (1, 0) if swap else (0, 1)

    def use_logarithms(self) -> None:
        """From now on, uses the logarithms of the entries."""
        self.is_log, self.matrices = True, []
        self.unfit = torch.zeros_like(self.unfit)

    def log_row_sums(self, g: Tensor) -> Tensor:
        """``log(sum_j exp(cos_ij / temperature + g_j))``."""
        return self._log_sums(self.sides[0], g)

    def log_column_sums(self, f: Tensor) -> Tensor:
        """``log(sum_i exp(cos_ij / temperature + f_i))``."""
        return self._log_sums(self.sides[1], f)

    def _log_sums(self, side: int, potential: Tensor) -> Tensor:
        there = self.there[side]
        if not self.is_log:
            factor = potential + self.best[1 - side]
            largest = factor.max()
            matrix = self.matrices[side]
            with exact_products(self.device):
                sums = matrix @ (factor - largest).exp().to(matrix.dtype)
            lost = ((sums < self._LEAST) & there).any()
            if self.device.type != "cpu":
                self.unfit = self.unfit | lost
            elif bool(lost):
                self.use_logarithms()
            if not self.is_log:
                found = sums.double().log() + largest + self.best[side]
                return torch.where(there, found, 0.0)
        entry = self.candidates.cosine / self.temperature
        others = self.candidates.pairs[1 - side]
        entry += potential.to(entry.dtype).index_select(0, others)
        segments = (self.candidates.by_source, self.candidates.by_target)[side]
        return torch.where(there, segments.log_sum_exp(entry).double(), 0.0)


def _csr(
    pointer: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]
) -> Tensor:
    with warnings.catch_warnings():
        # PyTorch announces once a process that its CSR layout is in beta.
        warnings.simplefilter("ignore")
        return torch.sparse_csr_tensor(
            pointer.to(columns.dtype), columns, values, size, check_invariants=False
        )
