"""What a training step minimises."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from pyg_ibmea.nn import HybridContrastiveLoss, IBMEAOutput
from pyg_ibmea.nn._stacks import stack
from pyg_ibmea.nn.loss._no_counterpart import no_counterpart_loss
from pyg_ibmea.nn.loss._stacked import info_nce_stacks, stacked_info_nce
from pyg_ibmea.options import LossOptions
from pyg_ibmea.problem import Pair

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss on fused vectors ``[B, C]`` of two graphs, row i of both being one entity."""


class Objective(nn.Module):
    r"""The objective of IBMEA (`arXiv:2407.19302 <https://arxiv.org/abs/2407.19302>`_)
    for a batch of seed pairs:

    .. math::
        \sum_m \left( \mathrm{InfoNCE}(\mathbf{z}_m) + \beta_m \mathrm{KL}_m \right)
        + \lambda \, L_{hybrid}(\mathbf{z})

    A modality's InfoNCE runs over the pairs that have it on both sides; its KL, in
    nats, is the mean over the entities of the step that have it.

    Args:
        hybrid (callable): The loss on the fused vectors, such as
            :class:`~pyg_ibmea.nn.HybridContrastiveLoss`: it takes those of two graphs,
            ``[B, C]`` each with row i of both being one entity, and returns a scalar.
            Whether it gathers pairs over processes (its attribute ``gather``, if it has
            one) holds for the modalities' InfoNCE, too.
        beta (dict): :math:`\beta_m` by modality; a modality without an
            entry has 0.
        hybrid_weight (float, optional): :math:`\lambda`. (default: :obj:`1.0`)
        temperature (float, optional): Temperature of the modalities' InfoNCE.
            (default: :obj:`0.1`)
        beta_warmup (int, optional): Number of epochs over which :math:`\beta` grows
            linearly from 0. (default: :obj:`0`)
        alone_weight (float, optional): Factor of the loss of entities that are known to
            have no counterpart, a mean over them. (default: :obj:`0.0`)

    Example:
        >>> objective = Objective(HybridContrastiveLoss(), {'graph': 1e-3})
        >>> objective.beta_at('graph', epoch=1)
        0.001
    """

    def __init__(
        self,
        hybrid: Loss,
        beta: Mapping[str, float],
        hybrid_weight: float = 1.0,
        temperature: float = 0.1,
        beta_warmup: int = 0,
        alone_weight: float = 0.0,
    ):
        super().__init__()
        self.hybrid = hybrid
        gather = getattr(hybrid, "gather", False)
        self.info_nce = HybridContrastiveLoss(
            "info_nce", temperature=temperature, gather=gather
        )
        self.beta = dict(beta)
        self.hybrid_weight = hybrid_weight
        self.beta_warmup = beta_warmup
        self.alone_weight = alone_weight

    @classmethod
    def from_options(
        cls,
        options: LossOptions,
        modalities: Collection[str],
        known: Collection[str] = (),
        hybrid: Loss | None = None,
    ) -> Objective:
        """The objective that options describe.

        Args:
            options (LossOptions): The options.
            modalities (collection of str): The modalities of the model.
            known (collection of str, optional): See :meth:`LossOptions.betas`.
            hybrid (callable, optional): A loss of your own on the fused vectors.
                (default: that of the options)
        """
        if hybrid is None:
            hybrid = HybridContrastiveLoss(
                options.objective,
                options.scale_pos,
                options.scale_neg,
                options.base,
                options.temperature,
            )
        return cls(
            hybrid,
            options.betas(modalities, known),
            options.hybrid_weight,
            options.modal_temperature,
            options.beta_warmup,
            options.alone_weight,
        )

    def beta_at(self, modality: str, epoch: int) -> float:
        """The factor of a modality's KL in an epoch (the first is 1)."""
        warmup = 1.0 if self.beta_warmup == 0 else min(1.0, epoch / self.beta_warmup)
        return self.beta.get(modality, 0.0) * warmup

    def forward(
        self,
        output: IBMEAOutput,
        pair: Pair,
        epoch: int,
        alone: Tensor | None = None,
        num_alone: int | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a step.

        Args:
            output (IBMEAOutput): The model's output for the entities of a batch, row i
                of both graphs being one seed pair.
            pair (tuple): Names of the two graphs.
            epoch (int): Number of the epoch, from 1.
            alone (torch.Tensor, optional): Fused vectors of source entities that are
                known to have no counterpart, ``[D, C]``. (default: none)
            num_alone (int, optional): How many of them all processes have. (default:
                ``D``)

        Returns:
            tuple: The scalar to minimise, and its terms by name, detached and without
            their factors: ``hybrid``, ``info_nce/<modality>``, ``kl/<modality>``. With
            them comes the InfoNCE of guessing, ``guess/<modality>``: the logarithm of
            the number of pairs of this process that have the modality. Entities
            without a counterpart add ``alone``.

        Raises:
            FloatingPointError: If the loss is not finite.
        """
        source, target = pair
        hybrid = self.hybrid(output.z[source], output.z[target])
        parts = [(self.hybrid_weight, hybrid)]
        terms = {"hybrid": hybrid.detach()}
        for modality, (loss, guess) in self._modal_losses(output, pair).items():
            parts.append((1.0, loss))
            terms[f"info_nce/{modality}"] = loss.detach()
            terms[f"guess/{modality}"] = guess
        for modality, kl in output.kl.items():
            parts.append((self.beta_at(modality, epoch), kl))
            terms[f"kl/{modality}"] = kl.detach()
        if alone is not None and self.alone_weight and (num_alone or len(alone)):
            told = alone, output.z[source], output.z[target]
            lost = no_counterpart_loss(*told, self.info_nce.temperature)
            lost = lost / (num_alone or len(alone))
            parts.append((self.alone_weight, lost))
            terms["alone"] = lost.detach()
        total = _weighted_sum(parts)
        if not math.isfinite(total.item()):
            bad = [name for name, value in terms.items() if not torch.isfinite(value)]
            raise FloatingPointError(
                f"the loss of epoch {epoch} is not finite (terms {bad}); lower the "
                "learning rate or check the features for extreme values"
            )
        return total, terms

    def _modal_losses(
        self, output: IBMEAOutput, pair: Pair
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """The InfoNCE of each modality and that of guessing; on a GPU, of all that have
        one width at once.
        """
        source = pair[0]
        found: dict[str, tuple[Tensor, Tensor]] = {}
        together: list[list[str]] = []
        if not self.info_nce.gather:
            side = {m: latents[source] for m, latents in output.latents.items()}
            together = info_nce_stacks(side, self.info_nce.temperature)
        for group in together:
            present = _with_both(output.masks, group, pair)
            sides = torch.stack([output.latents[m][kg] for kg in pair for m in group])
            a_and_b = sides.unflatten(0, (2, len(group)))
            losses = stacked_info_nce(a_and_b, present, self.info_nce.temperature)
            guess = present.sum(dim=1).clamp(min=1).log()
            pairs = zip(losses.unbind(), guess.unbind(), strict=True)
            found |= dict(zip(group, pairs, strict=True))
        alone = [m for m in output.latents if m not in found]
        rows = _rows_with_both(output.masks, alone, pair)
        guesses = _guesses(rows, output.z[source].device)
        for modality in alone:
            latents = output.latents[modality]
            one, other = (_selected(latents[kg], rows[modality]) for kg in pair)
            found[modality] = self.info_nce(one, other), guesses[modality]
        return {modality: found[modality] for modality in output.latents}


def _weighted_sum(parts: Sequence[tuple[float, Tensor]]) -> Tensor:
    """The sum of scalars with their factors; on a GPU, of all at once."""
    first = parts[0][1]
    if not first.is_cuda:
        total = parts[0][0] * first
        for factor, term in parts[1:]:
            total = total + factor * term
        return total
    terms = torch.stack([term.reshape(()).to(first) for _, term in parts])
    factors = torch.tensor([factor for factor, _ in parts], dtype=terms.dtype)
    return (terms * factors.to(terms.device, non_blocking=True)).sum()


def _with_both(
    masks: Mapping[str, Mapping[str, Tensor]], modalities: Collection[str], pair: Pair
) -> Tensor:
    """Which pairs of a batch have a modality on both sides, bool ``[M, B]``."""
    one, other = (stack([masks[m][kg] for m in modalities]) for kg in pair)
    return (one & other).view(len(modalities), -1)


def _rows_with_both(
    masks: Mapping[str, Mapping[str, Tensor]], modalities: Collection[str], pair: Pair
) -> dict[str, Tensor]:
    """The pairs of a batch that have a modality on both sides, as long ``[B_m]`` by
    modality: their numbers come from the device, and go back to it, all at once.
    """
    if not modalities:
        return {}
    present = _with_both(masks, modalities, pair)
    found = [row.nonzero().flatten() for row in present.cpu()]
    every = torch.cat(found).to(present.device, non_blocking=True)
    rows = every.split([row.numel() for row in found])
    return dict(zip(modalities, rows, strict=True))


def _selected(latents: Tensor, rows: Tensor) -> Tensor:
    """Some rows, ascending; without a copy if they are all."""
    if rows.numel() == latents.size(0):
        return latents
    return latents.index_select(0, rows)


def _guesses(rows: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The InfoNCE of guessing by modality."""
    counts = [torch.tensor(found.numel()) for found in rows.values()]
    if not counts:
        return {}
    logs = torch.stack([count.clamp(min=1).log() for count in counts])
    return dict(zip(rows, logs.to(device, non_blocking=True).unbind(), strict=True))
