"""What a training step minimises."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pyg_ibmea.nn import HybridContrastiveLoss, IBMEAOutput
from pyg_ibmea.train.config import TrainConfig

# Betas of these may be given whether or not a model has them, as in a preset.
_KNOWN_MODALITIES = ("graph", "relation", "attribute", "image", "name")


class Objective(nn.Module):
    r"""The objective of IBMEA (`arXiv:2407.19302 <https://arxiv.org/abs/2407.19302>`_)
    for a batch of seed pairs:

    .. math::
        \sum_m \left( \mathrm{InfoNCE}(\mathbf{z}_m) + \beta_m \mathrm{KL}_m \right)
        + \lambda \, L_{hybrid}(\mathbf{z})

    A modality's InfoNCE runs over the pairs that have it on both sides; its KL, in
    nats, is the mean over the entities of the step that have it.

    Args:
        hybrid (HybridContrastiveLoss): The loss on the fused vectors; whether it
            gathers pairs over processes holds for the modalities' InfoNCE too.
        beta (dict): :math:`\beta_m` by modality; a modality without entry has 0.
        hybrid_weight (float, optional): :math:`\lambda`. (default: :obj:`1.0`)
        temperature (float, optional): Temperature of the modalities' InfoNCE.
            (default: :obj:`0.1`)
        beta_warmup (int, optional): Number of epochs over which :math:`\beta` grows
            linearly from 0. (default: :obj:`0`)

    Example:
        >>> objective = Objective(HybridContrastiveLoss(), {'graph': 1e-3})
        >>> objective.beta_at('graph', epoch=1)
        0.001
    """

    def __init__(
        self,
        hybrid: HybridContrastiveLoss,
        beta: Mapping[str, float],
        hybrid_weight: float = 1.0,
        temperature: float = 0.1,
        beta_warmup: int = 0,
    ):
        super().__init__()
        self.hybrid = hybrid
        self.info_nce = HybridContrastiveLoss(
            "info_nce", temperature=temperature, gather=hybrid.gather
        )
        self.beta = dict(beta)
        self.hybrid_weight = hybrid_weight
        self.beta_warmup = beta_warmup

    @classmethod
    def from_config(cls, config: TrainConfig, modalities: list[str]) -> Objective:
        """The objective that a configuration describes, for these modalities."""
        hybrid = HybridContrastiveLoss(
            config.objective,
            config.scale_pos,
            config.scale_neg,
            config.base,
            config.temperature,
        )
        return cls(
            hybrid,
            parse_betas(config.beta, modalities),
            config.hybrid_weight,
            config.modal_temperature,
            config.beta_warmup,
        )

    def beta_at(self, modality: str, epoch: int) -> float:
        """The factor of a modality's KL in an epoch (the first is 1)."""
        warmup = 1.0 if self.beta_warmup == 0 else min(1.0, epoch / self.beta_warmup)
        return self.beta.get(modality, 0.0) * warmup

    def forward(
        self, output: IBMEAOutput, pair: tuple[str, str], epoch: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a step.

        Args:
            output (IBMEAOutput): The model's output for the entities of a batch, row i
                of both graphs being one seed pair.
            pair (tuple): Names of the two graphs.
            epoch (int): Number of the epoch, from 1.

        Returns:
            tuple: The scalar to minimise, and its terms by name, detached and without
            their factors: ``hybrid``, ``info_nce/<modality>``, ``kl/<modality>``; and
            beside them what InfoNCE would be by guessing, ``guess/<modality>``: the
            logarithm of the number of pairs of this process that have the modality.
        """
        source, target = pair
        hybrid = self.hybrid(output.z[source], output.z[target])
        total = self.hybrid_weight * hybrid
        terms = {"hybrid": hybrid.detach()}
        for modality, latents in output.latents.items():
            mask = output.masks[modality]
            both = mask[source] & mask[target]
            loss = self.info_nce(latents[source][both], latents[target][both])
            total = total + loss
            terms[f"info_nce/{modality}"] = loss.detach()
            terms[f"guess/{modality}"] = both.sum().clamp(min=1).log()
        for modality, kl in output.kl.items():
            total = total + self.beta_at(modality, epoch) * kl
            terms[f"kl/{modality}"] = kl.detach()
        if not torch.isfinite(total):
            bad = [name for name, value in terms.items() if not torch.isfinite(value)]
            raise FloatingPointError(
                f"the loss of epoch {epoch} is not finite (terms {bad}); lower the "
                "learning rate or check the features for extreme values"
            )
        return total, terms


def parse_betas(text: str, modalities: list[str]) -> dict[str, float]:
    """Reads the option ``--beta``: one factor for all, exceptions by name.

    Args:
        text (str): For example ``'1e-3'`` or ``'1e-3,relation=1e-2'``.
        modalities (list): The modalities of the model.

    Raises:
        ValueError: If a value is no number, negative, or for an unknown modality.

    Example:
        >>> parse_betas('1e-3,relation=0.01', ['graph', 'relation'])
        {'graph': 0.001, 'relation': 0.01}
    """
    beta = dict.fromkeys(modalities, 0.0)
    for part in text.split(","):
        name, _, value = part.rpartition("=")
        try:
            factor = float(value)
        except ValueError:
            factor = -1.0
        if not 0 <= factor < float("inf"):
            raise ValueError(f"beta {part!r} is no non-negative number")
        if name and name not in beta and name not in _KNOWN_MODALITIES:
            raise ValueError(f"beta for {name!r}, but the modalities are {modalities}")
        beta.update({name: factor} if name else dict.fromkeys(modalities, factor))
    return {modality: beta[modality] for modality in modalities}
