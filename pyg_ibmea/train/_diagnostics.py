"""Warnings about a training that goes wrong, while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pyg_ibmea.nn.model._neighbors import PREFIX

# A latent that tells less than this tells no more than e entities apart.
_COLLAPSED_NATS = 1.0
# Shares of, in turn, the loss of guessing, the whole loss, and the pairs.
_NO_SIGNAL = 0.95
_INACTIVE = 1e-3
_DRIFT = 0.2


def check_agreement(
    figures: Mapping[str, Any] | None,
    alone: Mapping[str, Any] | None,
    pairs: int,
    graphs: str,
) -> list[str]:
    """Checks on the validation pairs whether neighbourhood agreement does harm.

    Args:
        figures (dict): What :func:`evaluate` returns with neighbourhood agreement;
            ``None`` without validation pairs.
        alone (dict): The same with embeddings only.
        pairs (int): Number of validation pairs.
        graphs (str): What the message calls the two graphs.

    Returns:
        list: A message if neighbourhood agreement lowers Hits@1 by more than two
        standard errors of the difference, computed as if the two erred independently
        and with one hit and one miss added.
    """
    if not figures or not alone:
        return []
    after, before = (f["csls"]["mean"]["hits@1"] for f in (figures, alone))
    shares = [(hits * pairs + 1) / (pairs + 2) for hits in (after, before)]
    variance = sum(share * (1 - share) for share in shares) / pairs
    if before - after <= 2 * math.sqrt(variance):
        return []
    return [
        f"{graphs}: neighbourhood agreement lowers Hits@1 on the {pairs} validation "
        f"pairs from {before:.3f} to {after:.3f}: edges of one graph may seldom have a "
        "counterpart in the other; lower --neighbor-agreement, or set it to 0"
    ]


class Diagnostics:
    """Watches a training for signs that something is wrong.

    Each message is given once. It says what was seen and what can be done; none of the
    checks looks at validation or test pairs. For the end of a training, see
    :func:`check_agreement`.

    Args:
        beta (dict): Factor of the KL by modality.

    Example:
        >>> losses = {'total': 9.0, 'info_nce/name': 1.0, 'kl/name': 0.2}
        >>> print(*Diagnostics({'name': 1e-2}).check(losses))
        the posterior of 'name' has collapsed to the prior (KL 0.20 nats): it says \
next to nothing about an entity; lower its beta (now 0.01)
    """

    def __init__(self, beta: Mapping[str, float]):
        self.beta = dict(beta)
        self._told: set[tuple[str, str]] = set()
        self._pseudo_seeds: set[tuple[object, ...]] = set()

    def check(self, losses: Mapping[str, float]) -> list[str]:
        """Checks the loss terms of an epoch.

        Args:
            losses (dict): Mean terms by name, as :class:`Objective` returns them,
                and their weighted sum as ``total``.

        Returns:
            list: New messages.
        """
        messages = []
        for name, value in losses.items():
            kind, _, modality = name.partition("/")
            # Features of neighbours come with a modality; their weight may well fall.
            own = not modality.startswith(PREFIX)
            guess = losses.get(f"guess/{modality}", 0.0)
            if kind == "info_nce" and own and 0 < _NO_SIGNAL * guess < value:
                messages += self._once(
                    "signal",
                    modality,
                    f"modality {modality!r} carries no alignment signal: its InfoNCE "
                    f"{value:.2f} is that of guessing ({guess:.2f}); check that both "
                    "graphs have it and mean the same by it, or leave it out",
                )
            if kind != "kl":
                continue
            beta = self.beta.get(modality, 0.0)
            if value < _COLLAPSED_NATS:
                messages += self._once(
                    "collapse",
                    modality,
                    f"the posterior of {modality!r} has collapsed to the prior (KL "
                    f"{value:.2f} nats): it says next to nothing about an entity; "
                    f"lower its beta (now {beta:g})",
                )
            elif beta * value < _INACTIVE * abs(losses["total"]):
                messages += self._once(
                    "inactive",
                    modality,
                    f"the bottleneck of {modality!r} is inactive: beta {beta:g} times "
                    f"KL {value:.0f} nats is under {_INACTIVE:.1%} of the loss; raise "
                    "its beta, or switch it off with --bottleneck",
                )
        return messages

    def check_pseudo_seeds(self, pairs: Mapping[tuple[str, str], Tensor]) -> list[str]:
        """Checks the pairs that are adopted after a proposal.

        Args:
            pairs (dict): By pair of graphs, long ``[2, L]``.

        Returns:
            list: New messages; drift is reported every time.
        """
        before = self._pseudo_seeds
        self._pseudo_seeds = {
            (*graphs, *ids) for graphs, of in pairs.items() for ids in of.t().tolist()
        }
        dropped = before - self._pseudo_seeds
        if len(dropped) <= _DRIFT * len(before):
            return []
        return [
            f"pseudo-seeds drift: {len(dropped)} of {len(before)} were dropped "
            "again; raise --propose-threshold or --propose-window"
        ]

    def _once(self, kind: str, modality: str, message: str) -> list[str]:
        if (kind, modality) in self._told:
            return []
        self._told.add((kind, modality))
        return [message]
