"""The checked settings of the synthetic problem."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

MODALITIES = ("relation", "attribute", "image", "name")


@dataclass(frozen=True)
class Knobs:
    """The arguments of :class:`SyntheticMMKG`; raises ValueError if out of range."""

    num_entities: int
    overlap: float
    num_relations: int
    avg_degree: float
    edge_noise: float
    num_attributes: int
    attribute_noise: float
    latent_channels: int
    image_channels: int
    name_channels: int
    feature_noise: float
    missing: float | Mapping[str, float]
    modalities: tuple[str, ...]
    noise_modalities: tuple[str, ...]
    names: tuple[str, ...]
    seed: int

    def __post_init__(self) -> None:
        self._check_counts()
        self._check_names()
        self._check_shares()

    def missing_share(self, modality: str) -> float:
        """Share of a side's entities without the modality."""
        if isinstance(self.missing, Mapping):
            return float(self.missing.get(modality, 0.0))
        return self.missing

    def _check_counts(self) -> None:
        if self.num_entities < 4:
            raise ValueError(
                f"num_entities must be at least 4 per side, got {self.num_entities}"
            )
        for count in (
            "num_relations",
            "num_attributes",
            "latent_channels",
            "image_channels",
            "name_channels",
        ):
            if getattr(self, count) < 1:
                raise ValueError(
                    f"{count} must be at least 1, got {getattr(self, count)}"
                )
        if not 0 < self.avg_degree <= self.num_entities / 2:
            raise ValueError(
                f"avg_degree must lie in (0, num_entities / 2 = "
                f"{self.num_entities / 2}], got {self.avg_degree}"
            )
        if self.seed < 0:
            raise ValueError(f"seed must be non-negative, got {self.seed}")

    def _check_names(self) -> None:
        if len(self.names) != 2 or len(set(self.names)) != 2 or "" in self.names:
            raise ValueError(
                f"names must be two different non-empty names, got {self.names}"
            )
        _check_modalities("modalities", self.modalities, MODALITIES)
        _check_modalities("noise_modalities", self.noise_modalities, self.modalities)
        if isinstance(self.missing, Mapping):
            _check_modalities("missing", tuple(self.missing), self.modalities)

    def _check_shares(self) -> None:
        if not 0 < self.overlap <= 1:
            raise ValueError(f"overlap must lie in (0, 1], got {self.overlap}")
        for share in ("edge_noise", "attribute_noise"):
            if not 0 <= getattr(self, share) <= 1:
                raise ValueError(
                    f"{share} must lie in [0, 1], got {getattr(self, share)}"
                )
        for modality in self.modalities:
            if not 0 <= self.missing_share(modality) < 1:
                raise ValueError(
                    f"missing must lie in [0, 1), got {self.missing_share(modality)} "
                    f"for {modality}; use modalities to leave one out"
                )
        if not 0 <= self.feature_noise < math.inf:
            raise ValueError(
                f"feature_noise must be finite and non-negative, got "
                f"{self.feature_noise}"
            )


def _check_modalities(
    knob: str, given: tuple[str, ...], known: tuple[str, ...]
) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{knob} names {unknown}; there are only {list(known)}")
    if len(set(given)) < len(given):
        raise ValueError(f"{knob} names a modality twice: {list(given)}")
