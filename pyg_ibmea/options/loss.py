"""What a training minimises, as options."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyg_ibmea.options._fields import check_ranges, check_type, option

_OTHERS = "*"
# Betas of these may be given whether or not a problem has them, as in the defaults.
_USUAL_MODALITIES = ("graph", "relation", "attribute", "image", "name", "number")


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
