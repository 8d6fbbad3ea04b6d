"""The output of :class:`pyg_ibmea.nn.IBMEA`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from pyg_ibmea.nn.posterior import GaussianPosterior


@dataclass
class IBMEAOutput:
    """What the model returns; dictionaries by graph name ``kg`` and modality. A model
    of your own need not give more than ``z``.

    Attributes:
        z: Fused vectors ``{kg: [n, C]}``.
        latents: ``{modality: {kg: [n, C_m]}}``; zero where the modality is missing.
        masks: ``{modality: {kg: bool [n]}}``; :obj:`False` where it is missing.
        kl: ``{modality: scalar}``, nats, mean over the entities that were encoded and
            have the modality; only modalities with a bottleneck.
        posteriors: ``{modality: posterior}`` over the encoded entities of all graphs,
            graph after graph.
        weights: The fusion weight of each modality.
    """

    z: dict[str, Tensor]
    latents: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    masks: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    kl: dict[str, Tensor] = field(default_factory=dict)
    posteriors: dict[str, GaussianPosterior] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
