"""What a training step minimises."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pyg_ibmea.nn import HybridContrastiveLoss, IBMEAOutput
from pyg_ibmea.nn._stacks import stack
from pyg_ibmea.nn.loss._no_counterpart import no_counterpart_loss
from pyg_ibmea.nn.loss._stacked import info_nce_stacks, stacked_info_nce
from pyg_ibmea.options import check_ranges, check_type, option
from pyg_ibmea.problem import GRAPH, Pair

Loss = Callable[[Tensor, Tensor], Tensor]
"""A loss on fused vectors ``[B, C]`` of two graphs, row i of both being one entity."""

_OTHERS = "*"
# Betas of these may be given whether or not a problem has them, as in the defaults.
_USUAL_MODALITIES = (GRAPH, "relation", "attribute", "image", "name", "number")


def parse_beta(text: str) -> dict[str, float]:
    """Reads the option ``--beta``: a factor for all modalities, with
    exceptions by name.

    Args:
        text (str): For example ``'1e-3'`` or ``'1e-3,relation=1e-2'``.

    Raises:
        ValueError: If a factor is not a number.

    Example:
        >>> parse_beta('1e-3,relation=0.01')
        {'*': 0.001, 'relation': 0.01}
    """
    beta: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        try:
            beta[name or _OTHERS] = float(value)
        except ValueError:
            raise ValueError(f"beta must be a number, got {part!r}") from None
    return beta


def show_beta(beta: Mapping[str, float]) -> str:
    """A text that :func:`parse_beta` reads.

    Example:
        >>> show_beta({'*': 0.001, 'relation': 0.01})
        '0.001,relation=0.01'
    """
    named = {"" if name == _OTHERS else f"{name}=": v for name, v in beta.items()}
    return ",".join(f"{name}{value:g}" for name, value in named.items())


@dataclass(frozen=True)
class LossOptions:
    """What a training minimises.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> LossOptions(beta=1e-3).beta
        {'*': 0.001}
    """

    objective: str = option(
        "info_nce",
        "loss on the fused vectors",
        choices=["info_nce", "multi_similarity"],
    )
    hybrid_weight: float = option(
        1.0, "factor of the loss on the fused vectors", at_least=0
    )
    temperature: float = option(0.1, "temperature of the fused InfoNCE", above=0)
    modal_temperature: float = option(
        0.1, "temperature of the modalities' InfoNCE", above=0
    )
    scale_pos: float = option(5.0, "multi-similarity: scale of the positive")
    scale_neg: float = option(40.0, "multi-similarity: scale of the negatives")
    base: float = option(0.5, "multi-similarity: cosine that counts as neutral")
    beta: Mapping[str, float] = option(
        lambda: {_OTHERS: 1e-4, "relation": 1e-3, "attribute": 1e-3},
        "factor of the KL in nats, e.g. 1e-3 or 1e-3,relation=1e-2",
        parse=parse_beta,
        show=show_beta,
    )
    beta_warmup: int = option(5, "epochs in which beta rises from 0", at_least=0)
    alone_weight: float = option(
        0.0,
        "factor of a loss that keeps entities that are known to have no counterpart "
        "away from those that have one; 0: they teach the confidence alone",
        at_least=0,
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        beta = self.beta
        if not isinstance(beta, Mapping):
            beta = {_OTHERS: beta}
        for name, factor in beta.items():
            check_type("beta" if name == _OTHERS else f"beta of {name!r}", factor, 0.0)
            if not 0 <= factor < math.inf:
                where = "" if name == _OTHERS else f" of {name!r}"
                raise ValueError(f"beta{where} must be non-negative, got {factor}")
        beta = {name: float(factor) for name, factor in beta.items()}
        object.__setattr__(self, "beta", beta)

    def betas(
        self, modalities: Collection[str], known: Collection[str] = ()
    ) -> dict[str, float]:
        """The factor of each modality.

        Args:
            modalities (collection of str): The modalities of a model.
            known (collection of str, optional): Others that the problem has; their
                factors are left out.

        Raises:
            ValueError: If there is a factor for another modality.
        """
        there = {*modalities, *known, *_USUAL_MODALITIES, _OTHERS}
        for name in self.beta:
            if name not in there:
                raise ValueError(
                    f"beta is given for {name!r}, but the modalities are "
                    f"{list(modalities)}"
                )
        rest = self.beta.get(_OTHERS, 0.0)
        return {modality: self.beta.get(modality, rest) for modality in modalities}


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
