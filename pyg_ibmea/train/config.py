"""The hyper-parameters of a training and their published values."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor


def _option(default: Any, text: str, **extra: Any) -> Any:
    return field(default=default, metadata={"help": text, **extra})


@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters by the field's names.

    The defaults were chosen on validation pairs of DBP15K zh-en (30 % seed pairs);
    :data:`PAPER` holds the published ones.

    Example:
        >>> TrainConfig(epochs=3).epochs
        3
    """

    num_features: int = _option(
        1000, "columns of the relation and attribute bags made from files"
    )
    epochs: int = _option(24, "passes over the seed pairs")
    eval_every: int = _option(2, "epochs between evaluations on the validation pairs")
    batch_size: int = _option(7500, "seed pairs in a batch, at most")
    withhold: float = _option(
        0.3,
        "share of the seed pairs that a batch holds at most; their own embeddings are "
        "not seen, so that they must be found by what is around them; 0: batches of "
        "batch_size, nothing withheld",
    )
    lr: float = _option(1e-2, "learning rate of AdamW")
    weight_decay: float = _option(1e-2, "weight decay of AdamW")
    clip_norm: float = _option(0.0, "largest norm of the gradient; 0: not clipped")
    warmup_epochs: int = _option(3, "epochs in which the learning rate rises from 0")
    cosine_epochs: int = _option(
        0, "epochs after which a cosine has brought the learning rate to 0; 0: constant"
    )
    graph_channels: int = _option(300, "channels of the graph latent")
    modal_channels: int = _option(100, "channels of the latent of any other modality")
    num_layers: int = _option(2, "graph attention layers")
    heads: int = _option(1, "attention heads")
    relational: bool = _option(
        True, "relations and distances apart; no: the paper's graph encoder"
    )
    residual: bool = _option(
        True, "modal encoders start from the similarities of the features as they are"
    )
    neighbor_features: bool = _option(
        True, "the features of an entity's neighbours are modalities, too"
    )
    share_seeds: bool = _option(
        True, "one embedding for the two entities of a training pair"
    )
    dropout: float = _option(0.3, "dropout between graph layers")
    separate_stacks: bool = _option(
        False, "give log sigma hidden graph layers of its own"
    )
    bottleneck: str = _option(
        "features",
        "modalities with a bottleneck: all, features (of the entities themselves), "
        "none, or names joined by commas",
    )
    beta: str = _option(
        "1e-4,relation=1e-3,attribute=1e-3",
        "factor of the KL in nats, e.g. 1e-3 or 1e-3,relation=1e-2",
    )
    beta_warmup: int = _option(5, "epochs in which beta rises from 0")
    average_decay: float = _option(
        0.7,
        "decay of the moving average of the weights over epochs, which is what is "
        "evaluated and kept; 0: the last weights",
    )
    objective: str = _option(
        "info_nce",
        "loss on the fused vectors",
        choices=["info_nce", "multi_similarity"],
    )
    hybrid_weight: float = _option(1.0, "factor of the loss on the fused vectors")
    temperature: float = _option(0.1, "temperature of the fused InfoNCE")
    modal_temperature: float = _option(0.1, "temperature of the modalities' InfoNCE")
    scale_pos: float = _option(5.0, "multi-similarity: scale of the positive")
    scale_neg: float = _option(40.0, "multi-similarity: scale of the negatives")
    base: float = _option(0.5, "multi-similarity: cosine that counts as neutral")
    iterative: bool = _option(
        False, "add pairs that the model is sure of (pseudo-seeds) while training"
    )
    propose_from: int = _option(7, "epoch before which pairs are first proposed")
    propose_every: int = _option(2, "epochs between proposals")
    propose_window: int = _option(
        3, "proposals of which a pair must be in more than half"
    )
    propose_first_threshold: float = _option(
        0.9, "least probability, by Sinkhorn scaling, of a pair proposed at first"
    )
    propose_threshold: float = _option(
        0.5, "least probability, by Sinkhorn scaling, of a pair proposed in the end"
    )
    propose_easing: int = _option(
        5, "proposals after which the least probability is that of the end"
    )
    refits: int = _option(
        0,
        "trainings after the first that end at the epoch it chose (with pseudo-seeds, "
        "begin with those it found) and learn from the validation pairs, too; their "
        "similarities are averaged",
    )
    refit_epochs: int = _option(
        8,
        "epochs of the twins of refits that begin with pseudo-seeds; a refit ends at "
        "the epoch at which its twin was best",
    )
    neighbor_agreement: float = _option(
        0.5,
        "factor of what the neighbours of two entities, as far as they are matched, "
        "add to their similarity in the end; 0: nothing",
    )
    neighbor_rounds: int = _option(
        3, "times that this is done in the end, each with the matches of the last"
    )
    csls_k: int = _option(3, "neighbours of CSLS")
    sinkhorn_temperature: float = _option(
        0.02,
        "temperature of Sinkhorn scaling; in the end, with what neighbours add, times "
        "1 + neighbor_agreement, for similarities are spread as much wider",
    )

    def __post_init__(self) -> None:
        for name in (
            *("num_features", "epochs", "eval_every", "batch_size", "csls_k"),
            *("graph_channels", "modal_channels", "num_layers", "heads"),
            *("propose_from", "propose_every", "propose_window", "refit_epochs"),
            "neighbor_rounds",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {getattr(self, name)}"
                )
        for name in (
            *("lr", "weight_decay", "clip_norm", "hybrid_weight"),
            "neighbor_agreement",
        ):
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{name} must not be negative, got {getattr(self, name)}"
                )
        for name in ("temperature", "modal_temperature", "sinkhorn_temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in (
            *("warmup_epochs", "cosine_epochs", "beta_warmup", "refits"),
            "propose_easing",
        ):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} must not be negative, got {getattr(self, name)}"
                )
        for name in (
            *("dropout", "average_decay", "withhold"),
            *("propose_threshold", "propose_first_threshold"),
        ):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must lie in [0, 1), got {getattr(self, name)}"
                )

    def final_temperature(self, bonus: Tensor | None) -> float:
        """The temperature of Sinkhorn scaling in the end.

        What neighbours add spreads the similarities from [-1, 1] to [-1, 1 + its
        factor]. What is matched on the way is matched at ``sinkhorn_temperature``, so
        that only few candidates are probable.

        Args:
            bonus (torch.Tensor): What :func:`neighborhood_bonus` gave, or ``None``.
        """
        spread = 1.0 if bonus is None else 1.0 + self.neighbor_agreement
        return self.sinkhorn_temperature * spread

    def proposes_before(self, epoch: int) -> bool:
        """Whether pairs are proposed before an epoch (the first is 1)."""
        since = epoch - self.propose_from
        return self.iterative and since >= 0 and since % self.propose_every == 0

    def threshold_before(self, epoch: int) -> float:
        """The least probability of the pairs that are proposed before an epoch: few
        that are safe at first, more as those help to tell the others apart.
        """
        number = (epoch - self.propose_from) // self.propose_every
        eased = min(1.0, number / self.propose_easing) if self.propose_easing else 1.0
        first, last = self.propose_first_threshold, self.propose_threshold
        return first + eased * (last - first)

    def model_options(self) -> dict[str, Any]:
        """The options of :class:`pyg_ibmea.nn.IBMEA` among the hyper-parameters."""
        bottleneck: bool | str | list[str] = self.bottleneck.split(",")
        if self.bottleneck in ("all", "none"):
            bottleneck = self.bottleneck == "all"
        elif self.bottleneck == "features":
            bottleneck = self.bottleneck
        return {
            "graph_channels": self.graph_channels,
            "modal_channels": self.modal_channels,
            "num_layers": self.num_layers,
            "heads": self.heads,
            "dropout": self.dropout,
            "relational": self.relational,
            "residual": self.residual,
            "neighbor_features": self.neighbor_features,
            "share_seeds": self.share_seeds,
            "separate_stacks": self.separate_stacks,
            "bottleneck": bottleneck,
        }


PAPER: dict[str, dict[str, Any]] = {
    "DBP15K": {
        "epochs": 1000,
        "batch_size": 7500,
        "withhold": 0.0,
        "lr": 6e-3,
        "weight_decay": 1e-2,
        "clip_norm": 0.1,
        "warmup_epochs": 200,
        "cosine_epochs": 1500,
        "heads": 2,
        "relational": False,
        "share_seeds": False,
        "residual": False,
        "neighbor_features": False,
        "neighbor_agreement": 0.0,
        "bottleneck": "all",
        "separate_stacks": True,
        "beta": "1e-3,relation=1e-2",
        "beta_warmup": 0,
        "dropout": 0.45,
        "average_decay": 0.0,
        "objective": "multi_similarity",
        "hybrid_weight": 3.0,
        "modal_temperature": 0.1,
        "scale_pos": 5.0,
    }
}
"""The published settings (arXiv 2407.19302) by benchmark.

For MMKB the published temperature is 400, at which InfoNCE is flat; it is 0.1 here.
"""
PAPER["MMKB"] = {
    **PAPER["DBP15K"],
    "epochs": 500,
    "batch_size": 1000,
    "warmup_epochs": 400,
    "cosine_epochs": 1000,
    "hybrid_weight": 1.0,
    "scale_pos": 0.1,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds an option for every field of :class:`TrainConfig`.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_arguments(parser)
        >>> parser.parse_args(['--modal-temperature', '0.2']).modal_temperature
        0.2
    """
    group = parser.add_argument_group("hyper-parameters")
    for option in fields(TrainConfig):
        extra = dict(option.metadata)
        text = f"{extra.pop('help')} (default: %(default)s)"
        flag = "--" + option.name.replace("_", "-")
        if isinstance(option.default, bool):
            extra["action"] = argparse.BooleanOptionalAction
        else:
            extra["type"] = type(option.default)
        group.add_argument(flag, default=option.default, help=text, **extra)


def config_from(args: argparse.Namespace) -> TrainConfig:
    """The fields of :class:`TrainConfig` among parsed arguments."""
    return TrainConfig(**{f.name: getattr(args, f.name) for f in fields(TrainConfig)})
