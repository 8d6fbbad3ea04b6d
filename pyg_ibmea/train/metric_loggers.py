"""Where the figures of a training go beside the run folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class MetricLogger(Protocol):
    """An object that is told the figures of a run while they come up.

    Example:
        >>> class Printer:
        ...     def start(self, config):
        ...         print("seed", config["seed"])
        ...     def log(self, training, epoch, figures):
        ...         print(training or "first", epoch, figures["loss/total"] > 0)
        ...     def finish(self, figures):
        ...         print("done")
        >>> from pyg_ibmea import Aligner
        >>> from pyg_ibmea.datasets import SyntheticMMKG
        >>> data = SyntheticMMKG(num_entities=60, modalities=("relation",))[0]
        >>> aligner = Aligner(epochs=2, graph_channels=8, progress=False)
        >>> aligner = aligner.fit(data, loggers=[Printer()])
        seed 0
        first 2 True
        done
    """

    def start(self, config: Mapping[str, Any]) -> None:
        """Begins.

        Args:
            config (dict): What ``config.json`` of the run holds.
        """

    def log(self, training: str, epoch: int, figures: Mapping[str, float]) -> None:
        """Takes the figures of an evaluation.

        Args:
            training (str): The folder of the training inside the run: ``''`` for the
                first, then ``'judged_0'``, ``'refit_0'`` and so on.
            epoch (int): Number of the epoch, from 1.
            figures (dict): By name: ``loss/...``, the mean terms of the epoch;
                ``validation/hits_at_1``, ``validation/mrr`` and so on; ``weight/...``,
                the fusion weights. Without validation pairs, the loss only.
        """

    def finish(self, figures: Mapping[str, float]) -> None:
        """Ends.

        Args:
            figures (dict): The figures of ``metrics.json`` that are numbers, by the
                keys that lead there, such as ``test/csls/hits_at_1``; empty without a
                run folder, or after an error.
        """


class Loggers:
    """Several loggers, of which one that fails is told of once and not asked again:
    no training ends because of it.

    Args:
        loggers (sequence of MetricLogger): The loggers.
    """

    def __init__(self, loggers: Sequence[MetricLogger] = ()):
        self.loggers = list(loggers)

    def start(self, config: Mapping[str, Any]) -> None:
        """See :class:`MetricLogger`."""
        self._each("start", config)

    def log(
        self,
        training: str,
        epoch: int,
        loss: Mapping[str, float],
        val: Mapping[str, float],
        weights: Mapping[str, float],
    ) -> None:
        """Tells the figures of an evaluation.

        Args:
            training (str): The name of the training's folder; ``''`` for the first.
            epoch (int): Number of the epoch.
            loss (dict): Mean loss terms.
            val (dict): Figures of the validation pairs, none without any.
            weights (dict): Fusion weights by modality.
        """
        figures = numbers_of({"loss": loss, "validation": val, "weight": weights})
        self._each("log", training, epoch, figures)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """See :class:`MetricLogger`; ``metrics`` is what ``metrics.json`` holds."""
        self._each("finish", numbers_of(metrics))

    def _each(self, name: str, *args: Any) -> None:
        for logger in list(self.loggers):
            try:
                getattr(logger, name)(*args)
            except Exception as error:
                self.loggers.remove(logger)
                kind = type(logger).__name__
                warnings.warn(
                    f"{kind} failed and logs nothing more: {error}", stacklevel=2
                )


def numbers_of(tree: Mapping[str, Any], before: str = "") -> dict[str, float]:
    """The numbers in nested mappings, by the keys that lead there.

    Example:
        >>> numbers_of({"val": {"csls": {"hits@1": 0.5, "name": "x"}}, "seconds": 2})
        {'val/csls/hits_at_1': 0.5, 'seconds': 2.0}
    """
    found: dict[str, float] = {}
    for key, value in tree.items():
        name = before + str(key).replace("@", "_at_")
        if isinstance(value, Mapping):
            found |= numbers_of(value, f"{name}/")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[name] = float(value)
    return found
