"""All options of a training, each with its owner, and the published settings."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from pyg_ibmea.options._fields import (
    add_flags,
    check_ranges,
    flag_of,
    option,
    option_fields,
)
from pyg_ibmea.options.decoding import DecodingOptions
from pyg_ibmea.options.loss import LossOptions
from pyg_ibmea.options.model import ModelOptions
from pyg_ibmea.options.pseudo_seeds import PseudoSeedOptions


@dataclass(frozen=True)
class TrainingOptions:
    """How long, how fast and how often a model learns.

    Raises:
        ValueError: If an option is out of range.
    """

    epochs: int = option(24, "passes over the seed pairs", at_least=1)
    eval_every: int = option(
        2, "epochs between evaluations on the validation pairs", at_least=1
    )
    patience: int = option(
        0,
        "evaluations on the validation pairs without a better one, counted from the "
        "first proposal of pseudo-seeds on, after which a training ends; 0: it takes "
        "all epochs",
        at_least=0,
    )
    batch_size: int = option(7500, "seed pairs in a batch, at most", at_least=1)
    withhold: float = option(
        0.3,
        "share of the seed pairs that a batch holds at most; their own embeddings are "
        "not seen, so that they must be found by what is around them; 0: batches of "
        "batch_size, nothing withheld",
        at_least=0,
        below=1,
    )
    lr: float = option(1e-2, "learning rate of AdamW", at_least=0)
    weight_decay: float = option(1e-2, "weight decay of AdamW", at_least=0)
    clip_norm: float = option(
        0.0, "largest norm of the gradient; 0: not clipped", at_least=0
    )
    warmup_epochs: int = option(
        3, "epochs in which the learning rate rises from 0", at_least=0
    )
    cosine_epochs: int = option(
        0,
        "epochs after which a cosine has brought the learning rate to 0; 0: constant",
        at_least=0,
    )
    average_decay: float = option(
        0.7,
        "decay of the moving average of the weights over epochs, which is what is "
        "evaluated and kept; 0: the last weights",
        at_least=0,
        below=1,
    )
    parts: int = option(
        0,
        "parts of the graphs, cut by METIS, that an epoch trains on in turn; 1: the "
        "whole graphs; 0: the whole graphs up to 100,000 entities in all, parts of "
        "about 50,000 above",
        at_least=0,
    )
    refits: int = option(
        0,
        "trainings after the first that end at the epoch it chose (with pseudo-seeds, "
        "start from those it found) and learn from the validation pairs, too; their "
        "similarities are averaged",
        at_least=0,
    )
    refit_epochs: int = option(
        8,
        "epochs of the twins of refits that start from pseudo-seeds; a refit ends at "
        "the epoch at which its twin was best",
        at_least=1,
    )

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class Options:
    """All options, by owner.

    The defaults were chosen on validation pairs of DBP15K zh-en (30 % seed pairs). No
    two options have the same name, so that they can be given and stored without their
    owner, too.

    Args:
        model (ModelOptions, optional): What is trained.
        loss (LossOptions, optional): What is minimised.
        training (TrainingOptions, optional): How long, how fast and how often it
            learns.
        pseudo_seeds (PseudoSeedOptions, optional): What is added to the seed pairs.
        decoding (DecodingOptions, optional): How matches are made from
            embeddings.

    Example:
        >>> options = Options.of(epochs=3, heads=2)
        >>> options.training.epochs, options.model.heads
        (3, 2)
    """

    model: ModelOptions = field(default_factory=ModelOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    pseudo_seeds: PseudoSeedOptions = field(default_factory=PseudoSeedOptions)
    decoding: DecodingOptions = field(default_factory=DecodingOptions)

    @classmethod
    def of(cls, preset: str | None = None, **changes: Any) -> Options:
        """The options of a preset or the defaults, with some changed by name.

        Args:
            preset (str, optional): ``'paper'`` for the published settings of DBP15K
                (arXiv 2407.19302), ``'paper-mmkb'`` for those of MMKB; ``changes`` take
                precedence. (default: :obj:`None`, the defaults)
            **changes: Options by name.

        Raises:
            TypeError: If there is no such option.
            ValueError: If there is no such preset, or a value is out of range.
        """
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"preset must be one of {list(PRESETS)}, got {preset!r}")
        options = PRESETS[preset] if preset is not None else cls()
        return options.replace(**changes)

    def replace(self, **changes: Any) -> Options:
        """These options with some changed.

        Args:
            **changes: Options by name.

        Raises:
            TypeError: If there is no such option.
            ValueError: If a value is out of range.
        """
        owners = {
            found.name: owner.name
            for owner in fields(self)
            for found in fields(getattr(self, owner.name))
        }
        by_owner: dict[str, dict[str, Any]] = {}
        for name, value in changes.items():
            if name not in owners:
                near = difflib.get_close_matches(name, owners, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise TypeError(f"there is no option {name!r}{hint}")
            by_owner.setdefault(owners[name], {})[name] = value
        parts = {
            owner: replace(getattr(self, owner), **given)
            for owner, given in by_owner.items()
        }
        return replace(self, **parts)

    @classmethod
    def add_flags(
        cls, parser: argparse.ArgumentParser, preset: str | None = None, **changes: Any
    ) -> None:
        """Adds a flag for every option, in a group for each owner.

        Args:
            parser (argparse.ArgumentParser): The parser.
            preset (str, optional): The preset whose values are the defaults.
                (default: :obj:`None`)
            **changes: Other defaults.

        Example:
            >>> parser = argparse.ArgumentParser()
            >>> Options.add_flags(parser, epochs=3)
            >>> args = parser.parse_args(['--modal-temperature', '0.2'])
            >>> Options.from_flags(args).differences()
            {'modal_temperature': 0.2, 'epochs': 3}
        """
        options = cls.of(preset, **changes)
        for owner in fields(cls):
            values = getattr(options, owner.name)
            title = owner.name.replace("_", "-") + " options"
            add_flags(parser, title, values)

    @classmethod
    def from_flags(cls, args: argparse.Namespace) -> Options:
        """The options among parsed arguments.

        Args:
            args (argparse.Namespace): The arguments, of a parser of :meth:`add_flags`.

        Raises:
            ValueError: If a value is out of range; the message names the flag.
        """
        names = [
            found.name
            for owner in fields(cls)
            for found in option_fields(type(getattr(cls(), owner.name)))
        ]
        try:
            return cls().replace(**{name: getattr(args, name) for name in names})
        except ValueError as error:
            name, _, what = str(error).partition(" ")
            raise ValueError(f"{flag_of(name)} {what}") from None

    def by_name(self) -> dict[str, Any]:
        """All options without their owners."""
        return {k: v for owner in asdict(self).values() for k, v in owner.items()}

    def flat(self) -> dict[str, Any]:
        """All options without their owners, as JSON can hold them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.by_name().items()
        }

    def differences(self) -> dict[str, Any]:
        """The options that are not at their defaults, without their owners."""
        default = Options().flat()
        return {k: v for k, v in self.flat().items() if v != default[k]}

    @classmethod
    def from_flat(cls, found: Mapping[str, Any]) -> Options:
        """The options among the entries of a configuration; see :meth:`flat`.

        Args:
            found (dict): The configuration; other entries are ignored. Values may be
                texts of the command line, as in configurations of version 0.1.

        Raises:
            ValueError: If a value is out of range.
        """
        changes = {}
        for owner in fields(cls):
            kind = type(getattr(cls(), owner.name))
            parsers = {f.name: f.metadata["parse"] for f in option_fields(kind)}
            for name in (f.name for f in fields(kind)):
                if name not in found:
                    continue
                value, parse = found[name], parsers.get(name)
                if isinstance(value, list):
                    value = tuple(value)
                elif isinstance(value, str) and parse is not None:
                    value = parse(value)
                changes[name] = value
        return cls().replace(**changes)


def _paper(**changes: Any) -> Options:
    """The settings that the published trainings share, with some changed."""
    loss = LossOptions(
        objective="multi_similarity",
        hybrid_weight=3.0,
        modal_temperature=0.1,
        scale_pos=5.0,
        beta={"*": 1e-3, "relation": 1e-2},
        beta_warmup=0,
    )
    training = TrainingOptions(
        epochs=1000,
        batch_size=7500,
        withhold=0.0,
        lr=6e-3,
        weight_decay=1e-2,
        clip_norm=0.1,
        warmup_epochs=200,
        cosine_epochs=1500,
        average_decay=0.0,
    )
    decoding = DecodingOptions(neighbor_agreement=0.0)
    options = Options(ModelOptions.preset("paper"), loss, training, decoding=decoding)
    return options.replace(**changes)


PRESETS = {
    "paper": _paper(),
    # The published temperature is 400, at which InfoNCE is flat; it is 0.1 here.
    "paper-mmkb": _paper(
        epochs=500,
        batch_size=1000,
        warmup_epochs=400,
        cosine_epochs=1000,
        hybrid_weight=1.0,
        scale_pos=0.1,
    ),
}
"""The published settings (arXiv 2407.19302) by name."""
