"""Which pairs are added to the seed pairs, and when, as options."""

from __future__ import annotations

from dataclasses import dataclass

from pyg_ibmea.options._fields import check_ranges, option


@dataclass(frozen=True)
class PseudoSeedOptions:
    """Which pairs that the model is sure of are added to the seed pairs, and when.

    Raises:
        ValueError: If an option is out of range.
    """

    iterative: bool = option(
        False, "add pairs that the model is sure of (pseudo-seeds) while training"
    )
    propose_from: int = option(
        7, "epoch before which pairs are first proposed", at_least=1
    )
    propose_every: int = option(2, "epochs between proposals", at_least=1)
    propose_window: int = option(
        3, "latest proposals, of which a pair must be in more than half", at_least=1
    )
    propose_first_threshold: float = option(
        0.9,
        "least probability, by Sinkhorn scaling, of a pair in the first proposal",
        at_least=0,
        below=1,
    )
    propose_threshold: float = option(
        0.5,
        "least probability, by Sinkhorn scaling, of a pair in the later proposals",
        at_least=0,
        below=1,
    )
    propose_easing: int = option(
        5,
        "proposals over which the first threshold eases to the later one",
        at_least=0,
    )

    def __post_init__(self) -> None:
        check_ranges(self)

    def before(self, epoch: int) -> bool:
        """Whether pairs are proposed before an epoch (the first is 1)."""
        since = epoch - self.propose_from
        return self.iterative and since >= 0 and since % self.propose_every == 0

    def threshold_before(self, epoch: int) -> float:
        """The least probability of the pairs that are proposed before an epoch: a few
        safe ones at first, more once those help to tell the others apart.
        """
        number = (epoch - self.propose_from) // self.propose_every
        eased = min(1.0, number / self.propose_easing) if self.propose_easing else 1.0
        first, last = self.propose_first_threshold, self.propose_threshold
        return first + eased * (last - first)
