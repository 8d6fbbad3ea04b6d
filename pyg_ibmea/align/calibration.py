"""Calibrated confidences, and measures of how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Calibration:
    r"""The probability that a match is right, by logistic regression.

    .. math::
        q = \sigma\Big(b + \sum_f w_f \frac{x_f - \mu_f}{\sigma_f}\Big),
        \quad w_f \ge 0, \qquad p = \frac{n q + a}{n + 2 a}

    The weights are fitted to :math:`n` matches that are known to be right or wrong, by
    maximising the log-likelihood minus :math:`\lambda/2 \, \lVert w \rVert^2`. As no
    weight is negative, more evidence never lowers the confidence. With :math:`a = 1`,
    :math:`p` is Laplace's rule of succession: the mean of the Beta distribution after
    :math:`n` trials of which the share :math:`q` was right. Few matches, even if all
    are right, are no reason to be surer than :math:`(n + 1) / (n + 2)`.

    Args:
        penalty (float, optional): :math:`\lambda`. (default: :obj:`1.0`)
        smoothing (float, optional): :math:`a`; 0 trusts the regression as it is.
            (default: :obj:`1.0`)

    Example:
        >>> x = torch.tensor([[0.1], [0.2], [0.3], [0.8], [0.9], [1.0]])
        >>> right = torch.tensor([False, False, True, False, True, True])
        >>> p = Calibration().fit(x, right)(x)
        >>> bool((p.diff() > 0).all())
        True
    """

    def __init__(self, penalty: float = 1.0, smoothing: float = 1.0) -> None:
        for name, value in (("penalty", penalty), ("smoothing", smoothing)):
            if not value >= 0:
                raise ValueError(f"{name} must be non-negative, got {value}")
        self.penalty = penalty
        self.smoothing = smoothing
        self.count = 0.0
        self.mean: Tensor | None = None
        self.scale: Tensor | None = None
        self.weight: Tensor | None = None
        self.bias = 0.0

    def fit(
        self,
        features: Tensor,
        right: Tensor,
        sample_weight: Tensor | None = None,
        count: float | None = None,
    ) -> Calibration:
        """Fits the weights.

        Args:
            features (torch.Tensor): Evidence for the matches, finite, ``[M, F]``.
            right (torch.Tensor): Whether each match is right, bool ``[M]``.
            sample_weight (torch.Tensor, optional): Weight of each match, ``[M]``.
                (default: all equal)
            count (float, optional): How many independent matches these are worth,
                :math:`n`. (default: the sum of the weights)

        Returns:
            Calibration: The fitted object itself.

        Raises:
            ValueError: If there are no matches, shapes do not fit, or a feature is not
                finite.
        """
        from scipy.optimize import minimize  # A second at import.

        x, y = features.double().cpu(), right.double().cpu()
        if x.dim() != 2 or y.shape != x.shape[:1] or len(x) == 0:
            raise ValueError(
                f"calibration needs features [M, F] and as many marks [M], M > 0, got "
                f"{list(features.shape)} and {list(right.shape)}"
            )
        if not bool(x.isfinite().all()):
            raise ValueError("features must be finite, got NaN or infinity")
        weight = torch.ones_like(y) if sample_weight is None else sample_weight.double()
        self.count = float(weight.sum()) if count is None else count
        self.mean = x.mean(dim=0)
        self.scale = x.std(dim=0, correction=0).clamp(min=1e-9)
        inputs = ((x - self.mean) / self.scale).numpy()
        target, counts = y.numpy(), weight.cpu().numpy()

        def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            logit = inputs @ theta[1:] + theta[0]
            value = counts @ (np.logaddexp(0, logit) - target * logit)
            wrong = counts * (_sigmoid(logit) - target)
            gradient = np.concatenate([[wrong.sum()], inputs.T @ wrong])
            gradient[1:] += self.penalty * theta[1:]
            # If all are right or all are wrong, the bias would diverge.
            gradient[0] += 1e-3 * theta[0]
            value += 0.5 * self.penalty * theta[1:] @ theta[1:] + 5e-4 * theta[0] ** 2
            return float(value), gradient

        bounds = [(None, None), *[(0, None)] * x.size(1)]
        start = np.zeros(x.size(1) + 1)
        options = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-8}
        found = minimize(
            loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options
        )
        self.bias, self.weight = float(found.x[0]), torch.from_numpy(found.x[1:].copy())
        return self

    def __call__(self, features: Tensor) -> Tensor:
        """Computes the probabilities that matches are right, float64 ``[N]``.

        Raises:
            RuntimeError: If the calibration has not been fitted.
        """
        if self.weight is None or self.mean is None or self.scale is None:
            raise RuntimeError("the calibration has not been fitted; call fit first")
        x = (features.double().cpu() - self.mean) / self.scale
        q = torch.sigmoid(x @ self.weight + self.bias)
        if self.smoothing == 0:
            return q
        return (self.count * q + self.smoothing) / (self.count + 2 * self.smoothing)

    def state_dict(self) -> dict[str, Any]:
        """The state for :meth:`load_state_dict`, plain numbers only."""
        if self.weight is None or self.mean is None or self.scale is None:
            raise RuntimeError("the calibration has not been fitted; call fit first")
        return {
            "penalty": self.penalty,
            "smoothing": self.smoothing,
            "count": self.count,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "weight": self.weight.tolist(),
            "bias": self.bias,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the state that :meth:`state_dict` returned."""
        for name in ("penalty", "smoothing", "count", "bias"):
            setattr(self, name, float(state[name]))
        for name in ("mean", "scale", "weight"):
            setattr(self, name, torch.tensor(state[name], dtype=torch.float64))

    def __repr__(self) -> str:
        fitted = "unfitted" if self.weight is None else f"bias={self.bias:.2f}"
        return f"{type(self).__name__}({fitted})"


def reliability(
    confidence: Tensor, right: Tensor, bins: int = 10
) -> list[dict[str, float]]:
    """How often matches are right, by their confidence.

    Args:
        confidence (torch.Tensor): Probabilities, ``[N]``.
        right (torch.Tensor): Whether each match is right, bool ``[N]``.
        bins (int, optional): Number of bins, each with about the same number of
            matches. Matches of equal confidence count as their average, in whichever
            bin they fall. (default: :obj:`10`)

    Returns:
        list: For each bin, in ascending order of confidence, ``confidence`` (mean),
        ``right`` (share) and ``matches`` (number).

    Raises:
        ValueError: If shapes do not fit, or there are no matches or no bins.

    Example:
        >>> reliability(torch.tensor([0.2, 0.9]), torch.tensor([False, True]), bins=1)
        [{'confidence': 0.55, 'right': 0.5, 'matches': 2}]
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    ordered, marks = _by_confidence(confidence, right)
    return [
        {
            "confidence": round(float(p.mean()), 6),
            "right": round(float(y.mean()), 6),
            "matches": p.numel(),
        }
        for p, y in zip(
            ordered.tensor_split(bins), marks.tensor_split(bins), strict=True
        )
        if p.numel()
    ]


def expected_calibration_error(
    confidence: Tensor, right: Tensor, bins: int = 10
) -> float:
    """The mean absolute difference between the confidence of matches and the share that
    is right, over bins with equally many matches; 0 is best.

    Args:
        confidence (torch.Tensor): Probabilities, ``[N]``.
        right (torch.Tensor): Whether each match is right, bool ``[N]``.
        bins (int, optional): Number of bins.

    Example:
        >>> expected_calibration_error(torch.tensor([1.0, 1.0]), torch.ones(2) > 0)
        0.0
    """
    table = reliability(confidence, right, bins)
    total = sum(line["matches"] for line in table)
    gaps = (abs(line["confidence"] - line["right"]) * line["matches"] for line in table)
    return sum(gaps) / total


def coverage_curve(
    confidence: Tensor,
    right: Tensor,
    num_true: int | None = None,
    coverages: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
) -> list[dict[str, float]]:
    """Precision, recall and F1 if only the most confident matches are given.

    Args:
        confidence (torch.Tensor): Probabilities, ``[N]``.
        right (torch.Tensor): Whether each match is right, bool ``[N]``.
        num_true (int, optional): Number of entities that have a counterpart.
            (default: all ``N``)
        coverages (sequence of float, optional): Shares of the matches that are given;
            among matches of equal confidence, the expected number in random order is
            right. (default: :obj:`0.1`, :obj:`0.2`, ..., :obj:`1.0`)

    Returns:
        list: For each coverage, ``coverage``, ``threshold`` (the lowest confidence
        given), ``precision``, ``recall`` and ``f1``.

    Raises:
        ValueError: If shapes do not fit or there are no matches.

    Example:
        >>> right = torch.tensor([True, True, False, False])
        >>> coverage_curve(torch.tensor([0.9, 0.8, 0.7, 0.1]), right)[4]["precision"]
        1.0
    """
    ordered, marks = (side.flip(0) for side in _by_confidence(confidence, right))
    hits = marks.cumsum(0)
    true = right.numel() if num_true is None else num_true
    curve = []
    for coverage in coverages:
        given = max(1, round(coverage * right.numel()))
        found = float(hits[given - 1])
        curve.append(
            {
                "coverage": coverage,
                "threshold": float(ordered[given - 1]),
                **precision_recall_f1(found, given, true),
            }
        )
    return curve


def detection_metrics(found: Tensor, true: Tensor) -> dict[str, float]:
    """Precision, recall and F1 of detecting entities of one kind, such as those without
    a counterpart.

    Args:
        found (torch.Tensor): Which entities are taken to be of that kind, bool ``[N]``.
        true (torch.Tensor): Which entities are of that kind, bool ``[N]``.

    Example:
        >>> found, true = torch.tensor([1, 1, 0]) > 0, torch.tensor([1, 0, 1]) > 0
        >>> detection_metrics(found, true)
        {'precision': 0.5, 'recall': 0.5, 'f1': 0.5}
    """
    return precision_recall_f1(*(int(x.sum()) for x in (found & true, found, true)))


def precision_recall_f1(right: float, given: int, true: int) -> dict[str, float]:
    """Precision, recall and F1 (their harmonic mean) from counts; 0 where the
    denominator is 0.

    Args:
        right (float): Number of those given that are true, possibly an expected value.
        given (int): Number of those given.
        true (int): Number of those to be found.

    Example:
        >>> precision_recall_f1(right=1, given=2, true=4)
        {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333}
    """
    return {
        "precision": right / max(1, given),
        "recall": right / max(1, true),
        "f1": 2 * right / max(1, given + true),
    }


def wilson_interval(
    right: float, asked: int, quantile: float = 1.959964
) -> tuple[float, float]:
    """Wilson's interval of a share, which holds near 0 and 1 and for few trials, too
    (`Wilson 1927 <https://doi.org/10.1080/01621459.1927.10502953>`_).

    Args:
        right: How many are right.
        asked: Out of how many.
        quantile: Of the standard normal distribution. (default: that of 95 %)

    Returns:
        Both ends, in [0, 1]; all of it if nothing was asked.

    Example:
        >>> low, high = wilson_interval(right=18, asked=18)
        >>> round(low, 3), high
        (0.824, 1.0)
    """
    if not 0 <= right <= asked:
        raise ValueError(f"of {asked}, {right} cannot be right")
    if asked == 0:
        return 0.0, 1.0
    share, square = right / asked, quantile**2
    centre = (share + square / (2 * asked)) / (1 + square / asked)
    spread = share * (1 - share) / asked + square / (4 * asked**2)
    half = quantile * math.sqrt(spread) / (1 + square / asked)
    # At a share of 0 or 1 an end is exact, but for rounding.
    low = centre - half if right > 0 else 0.0
    return max(0.0, low), min(1.0, centre + half) if right < asked else 1.0


def _by_confidence(confidence: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Confidences, ascending, and for each the share that is right among those of equal
    confidence, so that the order of the matches does not matter.
    """
    if confidence.dim() != 1 or confidence.shape != right.shape or not len(right):
        raise ValueError(
            f"each match needs a confidence [N] and a mark [N], N > 0, got "
            f"{list(confidence.shape)} and {list(right.shape)}"
        )
    values, group, count = torch.unique(
        confidence.double().cpu(), return_inverse=True, return_counts=True
    )
    share = torch.zeros_like(values).index_add_(0, group, right.double().cpu()) / count
    return values.repeat_interleave(count), share.repeat_interleave(count)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    p: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * x))
    return p
