"""Sinkhorn scaling: scores that assume that counterparts are one to one."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pyg_ibmea.align._blocks import (
    check_sides,
    cosine_blocks,
    exact_products,
    unit_sides,
)
from pyg_ibmea.align._bonus import Bonus
from pyg_ibmea.align._candidate_kernel import SparseKernel
from pyg_ibmea.align._nearest import Nearest, nearest_candidates
from pyg_ibmea.align.candidates import (
    EXACT_PAIRS,
    Candidates,
    compares_all,
    find_candidates,
)

# Of a GPU, which works on while the host waits for none of them.
_ITERS_BETWEEN_CHECKS = 5
# Up to this size the whole kernel matrix is held, 0.5 GiB in float32.
_DENSE_ENTRIES = 2**27
# Up to so many pairs, sums among candidates are of logarithms in double precision.
_FEW_PAIRS = EXACT_PAIRS
# Of every row beyond that size.
_NUM_CANDIDATES = 100


class SinkhornPotentials(NamedTuple):
    r"""The potentials that Sinkhorn scaling adds to the cosines.

    :math:`P_{ij} = \exp((\cos(i, j) + f_i + g_j) / \tau)` is the probability that
    source row :math:`i` and target row :math:`j` are counterparts.

    Attributes:
        source (torch.Tensor): :math:`f`, ``[N]``.
        target (torch.Tensor): :math:`g`, ``[M]``.
        source_slack (torch.Tensor): Probabilities that source rows stay unmatched,
            ``[N]``; zeros without slack.
        target_slack (torch.Tensor): The same for target rows, ``[M]``.
        num_iters (int): Number of iterations done.
        error (float): Largest relative change of a factor :math:`\exp(g_j / \tau)`
            (:math:`\exp(f_i / \tau)` if there are more source rows than target rows) in
            the last iteration, which is the relative error of the sums before it; at
            most the tolerance if the scaling has converged.
    """

    source: Tensor
    target: Tensor
    source_slack: Tensor
    target_slack: Tensor
    num_iters: int
    error: float


@torch.no_grad()
def sinkhorn(
    z_source: Tensor,
    z_target: Tensor,
    temperature: float = 0.02,
    num_iters: int = 20,
    tolerance: float = 1e-3,
    slack: float | None = None,
    num_candidates: int | None = None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
    candidates: Candidates | None = None,
) -> SinkhornPotentials:
    r"""Scales the cosines of two sides into a soft one-to-one assignment.

    Entropy-regularised optimal transport (`"Sinkhorn Distances"
    <https://arxiv.org/abs/1306.0895>`_): the matrix :math:`P` closest to
    :math:`\exp(\cos / \tau)` whose rows and columns sum to 1. If the sides differ in
    size, those of the smaller side sum to 1 and those of the larger to at most 1, as in
    `partial transport <https://arxiv.org/abs/1412.5154>`_; which side is the source
    makes no difference. Source rows compete for target rows, so it assumes that every
    row of the smaller side has exactly one counterpart. If many have none, pass a
    ``slack``: an extra row and column of that cosine, which any row or column may be
    assigned to (as in `"SuperGlue" <https://arxiv.org/abs/1911.11763>`_; then all rows
    and columns, including their slack, sum to 1).

    Rows (columns, if there are more rows) are updated last, so that their sums are
    exact and the others nearly so. Sums are taken over numbers scaled to at most 1, and
    potentials are kept as logarithms, so that no temperature causes an overflow.

    Args:
        z_source (torch.Tensor): Source embeddings ``[N, C]``, of any scale.
        z_target (torch.Tensor): Target embeddings ``[M, C]``.
        temperature (float, optional): :math:`\tau`; a lower value is closer to a hard
            assignment and converges more slowly. (default: :obj:`0.02`)
        num_iters (int, optional): Maximum number of iterations. (default: :obj:`20`)
        tolerance (float, optional): Relative error of the sums at which to stop.
            (default: :obj:`1e-3`)
        slack (float, optional): Cosine at which staying unmatched is as good as a
            counterpart; :obj:`None` turns this off. (default: :obj:`None`)
        num_candidates (int, optional): Number of entries of :math:`P` kept for every
            row of each side, its nearest by cosine; the others count as zero.
            :obj:`None` keeps all up to a total of :math:`2^{27}` (11,600 rows per
            side), and 100 per row beyond. (default: :obj:`None`)
        block_size (int, optional): See :func:`topk`. (default: :obj:`None`)
        bonus (torch.Tensor, optional): See :func:`topk`. (default: :obj:`None`)
        candidates (Candidates, optional): The entries to keep, in place of
            ``num_candidates``; see :func:`topk`. (default: :obj:`None`)

    Returns:
        SinkhornPotentials: The potentials of both sides.

    Raises:
        ValueError: As for :func:`topk`.

    Example:
        >>> z_target = torch.tensor([[1.0, 0.0], [0.8, 0.6]])
        >>> z_source = torch.tensor([[1.0, 0.1], [1.0, 0.2]])  # Both nearest to 0.
        >>> f, g, *_ = sinkhorn(z_source, z_target, num_iters=1000)
        >>> cosine = torch.nn.functional.normalize(z_source) @ z_target.t()
        >>> (cosine + f[:, None] + g).argmax(dim=1)
        tensor([0, 1])
    """
    check_sinkhorn_options(temperature, num_iters, tolerance, slack, num_candidates)
    if z_source.dim() == z_target.dim() == 2 and (
        candidates is not None or not compares_all((len(z_source), len(z_target)))
    ):
        check_sides(z_source, z_target)
        added = Bonus.of(bonus, z_source, z_target)
        if candidates is None:
            candidates = find_candidates(z_source, z_target, num_candidates)
        candidates = candidates.with_bonus(added, z_source, z_target)
        return scale_candidates(candidates, temperature, num_iters, tolerance, slack)
    source, target = unit_sides(z_source, z_target)
    added = Bonus.of(bonus, source, target)
    nearest = None
    k = num_kept(source.size(0), target.size(0), num_candidates)
    if k is not None:
        nearest = nearest_candidates(source, target, k, block_size, added)
    options = temperature, num_iters, tolerance, slack
    return potentials(source, target, *options, nearest, block_size, bonus)


def num_kept(num_rows: int, num_columns: int, num_candidates: int | None) -> int | None:
    """The number of entries that :func:`sinkhorn` keeps for every row of each side;
    ``None`` if it keeps all.
    """
    if num_candidates is None and num_rows * num_columns > _DENSE_ENTRIES:
        return _NUM_CANDIDATES
    return num_candidates


def potentials(
    source: Tensor,
    target: Tensor,
    temperature: float,
    num_iters: int,
    tolerance: float,
    slack: float | None,
    candidates: Nearest | None,
    block_size: int | None = None,
    bonus: Tensor | None = None,
) -> SinkhornPotentials:
    """The potentials of :func:`sinkhorn` for unit rows, among candidates or, without
    them, all pairs.
    """
    size = source.size(0), target.size(0)
    swap = size[0] > size[1]
    if swap:
        source, target, size = target, source, size[::-1]
        bonus = None if bonus is None else bonus.to_sparse_coo().t()
    kernel: _Kernel
    if candidates is None:
        kernel = _DenseKernel(source, target, temperature, block_size, bonus)
    else:
        pairs = candidates.pairs.flip(0) if swap else candidates.pairs
        kernel = _CandidateKernel(pairs, candidates.cosine, size, temperature)
    options = (slack, temperature, num_iters, tolerance)
    return _potentials(kernel, size, source.dtype, swap, *options)


@torch.no_grad()
def scale_candidates(
    candidates: Candidates,
    temperature: float = 0.02,
    num_iters: int = 20,
    tolerance: float = 1e-3,
    slack: float | None = None,
) -> SinkhornPotentials:
    """The potentials of :func:`sinkhorn` where all pairs but the candidates count as
    zero. Those of a row without candidates are 0.

    Args:
        candidates (Candidates): The pairs, with their cosines.
        temperature (float, optional): See :func:`sinkhorn`. (default: :obj:`0.02`)
        num_iters (int, optional): Maximum number of iterations. (default: :obj:`20`)
        tolerance (float, optional): Relative error of the sums at which to stop.
            (default: :obj:`1e-3`)
        slack (float, optional): See :func:`sinkhorn`. (default: :obj:`None`)
    """
    swap = candidates.size[0] > candidates.size[1]
    kernel, size = _kernel_of(candidates, temperature, swap)
    options = (slack, temperature, num_iters, tolerance)
    return _potentials(kernel, size, candidates.cosine.dtype, swap, *options)


def _potentials(
    kernel: _Kernel,
    size: tuple[int, int],
    dtype: torch.dtype,
    swap: bool,
    slack: float | None,
    temperature: float,
    num_iters: int,
    tolerance: float,
) -> SinkhornPotentials:
    exits = _Slack(slack, temperature, size)
    state, iteration, error = _scale(kernel, exits, size, num_iters, tolerance)
    f, g = state.f, state.g
    factors = (temperature * f).to(dtype), (temperature * g).to(dtype)
    slacks = (
        exits.probability(f, state.g_exit).to(dtype),
        exits.probability(g, state.f_exit).to(dtype),
    )
    if swap:
        factors, slacks = factors[::-1], slacks[::-1]
    return SinkhornPotentials(*factors, *slacks, iteration, error)


@torch.no_grad()
def candidate_probabilities(
    candidates: Candidates,
    temperature: float,
    num_iters: int = 20,
    tolerance: float = 1e-3,
) -> Tensor:
    """The probabilities :math:`P_{ij}` of :func:`sinkhorn` of candidates; all other
    pairs count as zero.

    Args:
        candidates (Candidates): The pairs; their similarities are used in place of
            cosines.
        temperature (float): See :func:`sinkhorn`.
        num_iters (int, optional): Maximum number of iterations. (default: :obj:`20`)
        tolerance (float, optional): Relative error of the sums at which to stop.
            (default: :obj:`1e-3`)

    Returns:
        torch.Tensor: Probabilities, ``[L]``; in double precision up to 60,000 rows on
        both sides.
    """
    swap = candidates.size[0] > candidates.size[1]  # As in sinkhorn.
    kernel, size = _kernel_of(candidates, temperature, swap)
    exits = _Slack(None, temperature, size)
    state = _scale(kernel, exits, size, num_iters, tolerance)[0]
    log = candidates.cosine
    if isinstance(kernel, _CandidateKernel):
        log = log.double()
    log = log / temperature
    for side, potential in zip((swap, not swap), (state.f, state.g), strict=True):
        rows = candidates.pairs[int(side)]
        log += potential.to(log.dtype).index_select(0, rows)
    return log.exp_()


def _kernel_of(
    candidates: Candidates, temperature: float, swap: bool
) -> tuple[_Kernel, tuple[int, int]]:
    """The entries of candidates, and the numbers of rows and columns."""
    size = candidates.size[::-1] if swap else candidates.size
    if size[0] * size[1] > _FEW_PAIRS:
        return SparseKernel(candidates, temperature, swap), size
    pairs = candidates.pairs.long()
    pairs = pairs.flip(0) if swap else pairs
    return _CandidateKernel(pairs, candidates.cosine, size, temperature), size


class _State(NamedTuple):
    """Where a scaling stands; all tensors, so that nothing waits for the device.

    Attributes:
        f (torch.Tensor): Logarithms of the scaling factors of the rows, double ``[N]``.
        g (torch.Tensor): The same for the columns, double ``[M]``.
        f_exit (torch.Tensor): That of the extra row of the slack, double scalar.
        g_exit (torch.Tensor): That of its extra column.
        error (torch.Tensor): Of the last iteration, double scalar.
        num_iters (torch.Tensor): Iterations done, double scalar.
    """

    f: Tensor
    g: Tensor
    f_exit: Tensor
    g_exit: Tensor
    error: Tensor
    num_iters: Tensor


def _scale(
    kernel: _Kernel,
    exits: _Slack,
    size: tuple[int, int],
    num_iters: int,
    tolerance: float,
) -> tuple[_State, int, float]:
    """Where the scaling ended, the number of iterations, and the last error.

    Iterations after convergence change nothing. So a GPU is asked once in a few whether
    they have converged, and whether the kernel was fit for them; otherwise they are
    done again.
    """
    # A column whose sum is below 1 keeps the factor 1, as it need not be filled.
    most = 0.0 if exits.entry == -math.inf and size[0] < size[1] else math.inf
    begun = state = _first_state(kernel, exits, size)
    together = 1 if kernel.device.type == "cpu" else _ITERS_BETWEEN_CHECKS
    iteration, error = 0, math.inf
    while iteration < num_iters and error > tolerance:
        for _ in range(min(together, num_iters - iteration)):
            state = _next_state(state, kernel, exits, most, tolerance)
        told = [state.num_iters, state.error, kernel.unfit.double()]
        count, error, unfit = torch.stack(told).tolist()
        if unfit:
            kernel.use_logarithms()
            state = begun if iteration else _first_state(kernel, exits, size)
            error = math.inf
            continue
        iteration, begun = int(count), state
    return state, iteration, error


def _first_state(kernel: _Kernel, exits: _Slack, size: tuple[int, int]) -> _State:
    g = torch.zeros(size[1], dtype=torch.double, device=kernel.device)
    zero = g.new_zeros(())
    f = -exits.add(kernel.log_row_sums(g), zero)
    return _State(f, g, zero, zero, torch.full_like(zero, math.inf), zero)


def _next_state(
    state: _State,
    kernel: _Kernel,
    exits: _Slack,
    most: float,
    tolerance: float,
) -> _State:
    """One iteration; none if the last error is within the tolerance."""
    f_exit = exits.updated(0, state.g, state.g_exit)
    g = -exits.add(kernel.log_column_sums(state.f), f_exit)
    g.clamp_(max=most)
    error = torch.expm1(state.g - g).abs().max()
    g_exit = exits.updated(1, state.f, f_exit)
    f = -exits.add(kernel.log_row_sums(g), g_exit)
    found = _State(f, g, f_exit, g_exit, error, state.num_iters + 1)
    goes_on = state.error > tolerance
    return _State(
        *(torch.where(goes_on, *both) for both in zip(found, state, strict=True))
    )


class _Slack:
    """The extra row and column of the slack, in logarithms."""

    def __init__(
        self, slack: float | None, temperature: float, size: tuple[int, int]
    ) -> None:
        self.entry = -math.inf if slack is None else slack / temperature
        self.capacity = math.log(size[1]), math.log(size[0])

    def add(self, sums: Tensor, potential: Tensor) -> Tensor:
        """Adds the entry of the extra row or column to sums."""
        return torch.logaddexp(sums, (self.entry + potential).expand_as(sums))

    def updated(self, side: int, others: Tensor, corner: Tensor) -> Tensor:
        """The potential of the extra row (0), which may take all columns, or of the
        extra column (1), which may take all rows.
        """
        if self.entry == -math.inf:
            return torch.zeros_like(corner)
        total = torch.cat([others, corner[None]]).logsumexp(0)
        return self.capacity[side] - self.entry - total

    def probability(self, potentials: Tensor, potential: Tensor) -> Tensor:
        """The share of each row or column that stays unmatched."""
        return (potentials + self.entry + potential).exp()


class _DenseKernel:
    """All entries, divided by the best of their row and then by the best of their
    column.

    Every row and column then has an entry of 1, so that no sum vanishes unless the
    potentials are far apart; from then on the logarithms of the entries are used, which
    is slow.
    """

    _WIDEST = 60.0  # exp(-60), even divided by 1e11, is a normal float32 number.

    def __init__(
        self,
        source: Tensor,
        target: Tensor,
        temperature: float,
        block: int | None,
        bonus: Tensor | None = None,
    ) -> None:
        self.sides, self.temperature, self.block = (source, target), temperature, block
        self.device = source.device
        self.bonus = Bonus.of(bonus, source, target)
        self.matrix = source.new_empty(source.size(0), target.size(0))
        self._fill()
        row_best = self.matrix.amax(dim=1)
        self.matrix.sub_(row_best[:, None])
        column_best = self.matrix.amax(dim=0)
        self.matrix.sub_(column_best).exp_()
        self.row_best, self.column_best = row_best.double(), column_best.double()
        self.is_log = False
        # Whether logarithms should have been used.
        self.unfit = torch.zeros((), dtype=torch.bool, device=self.device)

    def log_row_sums(self, g: Tensor) -> Tensor:
        """``log(sum_j exp(cos_ij / temperature + g_j))``."""
        return self.row_best + self._log_product(self.matrix, g + self.column_best)

    def log_column_sums(self, f: Tensor) -> Tensor:
        """``log(sum_i exp(cos_ij / temperature + f_i))``."""
        product = self._log_product(self.matrix.t(), f + self.row_best)
        return self.column_best + product

    def _fill(self) -> None:
        for rows, cosine in cosine_blocks(*self.sides, self.block, self.bonus):
            torch.div(cosine, self.temperature, out=self.matrix[rows])

    def use_logarithms(self) -> None:
        """From now on, uses the logarithms of the entries."""
        self._fill()
        self.matrix.sub_(self.row_best.to(self.matrix.dtype)[:, None])
        self.matrix.sub_(self.column_best.to(self.matrix.dtype))
        self.is_log = True
        self.unfit = torch.zeros_like(self.unfit)

    def _log_product(self, matrix: Tensor, log_factor: Tensor) -> Tensor:
        largest = log_factor.max()
        if not self.is_log:
            wide = largest - log_factor.min() > self._WIDEST
            if self.device.type != "cpu":
                self.unfit = self.unfit | wide
            elif wide:
                self.use_logarithms()
        log_factor = (log_factor - largest).to(matrix.dtype)
        if not self.is_log:
            with exact_products(self.device):
                product = matrix @ log_factor.exp()
            return product.double().log() + largest
        sums = [(part + log_factor).logsumexp(1) for part in matrix.split(1024)]
        return torch.cat(sums).double() + largest


class _CandidateKernel:
    """The entries of given pairs only."""

    def __init__(
        self,
        pairs: Tensor,
        similarity: Tensor,
        size: tuple[int, int],
        temperature: float,
    ) -> None:
        self.index, self.size, self.device = pairs, size, pairs.device
        self.log_entry = similarity.double() / temperature
        self.unfit = torch.zeros((), dtype=torch.bool, device=self.device)

    def use_logarithms(self) -> None:
        """They are always used."""

    def log_row_sums(self, g: Tensor) -> Tensor:
        """``log(sum_j exp(cos_ij / temperature + g_j))``."""
        return self._log_sums(0, self.log_entry + g[self.index[1]])

    def log_column_sums(self, f: Tensor) -> Tensor:
        """``log(sum_i exp(cos_ij / temperature + f_i))``."""
        return self._log_sums(1, self.log_entry + f[self.index[0]])

    def _log_sums(self, side: int, entry: Tensor) -> Tensor:
        index = self.index[side]
        largest = entry.new_full((self.size[side],), -math.inf)
        largest.scatter_reduce_(0, index, entry, "amax")
        sums = torch.zeros_like(largest)
        sums.index_add_(0, index, (entry - largest[index]).exp())
        # A row without entries has nothing to be scaled to.
        return torch.where(sums > 0, sums.log() + largest, 0.0)


_Kernel = _DenseKernel | _CandidateKernel | SparseKernel


def check_temperature(name: str, temperature: float) -> None:
    """Raises ValueError unless a temperature is positive and finite."""
    if not 0 < temperature < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {temperature}")


def check_sinkhorn_options(
    temperature: float,
    num_iters: int,
    tolerance: float,
    slack: float | None,
    num_candidates: int | None,
) -> None:
    """Raises ValueError unless the options of :func:`sinkhorn` are in range."""
    check_temperature("temperature", temperature)
    if num_iters < 1:
        raise ValueError(f"num_iters must be at least 1, got {num_iters}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be non-negative, got {tolerance}")
    if slack is not None and not -1 <= slack <= 1:
        raise ValueError(f"slack must be a cosine in [-1, 1], got {slack}")
    if num_candidates is not None and num_candidates < 1:
        raise ValueError(f"num_candidates must be at least 1, got {num_candidates}")
