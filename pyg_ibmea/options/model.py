"""The hyper-parameters of the model."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pyg_ibmea.options._fields import check_ranges, check_type, option

_ALL, _FEATURES, _NONE = "all", "features", "none"


def parse_bottleneck(text: str) -> tuple[str, ...]:
    """Reads ``bottleneck`` from the text of a command line.

    Args:
        text (str): ``'none'``, or names and group words joined by commas; see
            :class:`ModelOptions`.

    Raises:
        ValueError: If a name is empty.

    Example:
        >>> parse_bottleneck("graph,image"), parse_bottleneck("none")
        (('graph', 'image'), ())
    """
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ValueError(f"bottleneck has an empty name in {text!r}; write 'none'")
    return () if names == (_NONE,) else names


def show_bottleneck(bottleneck: Collection[str]) -> str:
    """What :func:`parse_bottleneck` reads.

    Example:
        >>> show_bottleneck(("graph", "image")), show_bottleneck(())
        ('graph,image', 'none')
    """
    return ",".join(bottleneck) or _NONE


@dataclass(frozen=True)
class ModelOptions:
    r"""The hyper-parameters of :class:`IBMEA`.

    Attributes:
        graph_channels (int): Channels of the entity embeddings, which are the input of
            the graph encoder. (default: :obj:`300`)
        modal_channels (int): Channels of the latent of every other modality.
            (default: :obj:`100`)
        num_layers (int): Graph attention layers. (default: :obj:`2`)
        heads (int): Attention heads per layer. (default: :obj:`1`)
        relational (bool): Whether the graph encoder is a
            :class:`RelationalVIBEncoder` or the paper's :class:`GraphVIBEncoder`.
            (default: :obj:`True`)
        residual (bool): Whether the modal encoders start from the features' own
            similarities; see :class:`ModalVIBEncoder`. (default: :obj:`True`)
        neighbor_features (bool): Whether the features of an entity's neighbours are
            modalities, too; unused with the paper's graph encoder or without the
            graph. (default: :obj:`True`)
        share_seeds (bool): Whether the entities of a training pair share one embedding;
            read by :meth:`IBMEA.from_data`. (default: :obj:`True`)
        dropout (float): Dropout between graph layers. (default: :obj:`0.3`)
        separate_stacks (bool): See :class:`GraphVIBEncoder`; unused with
            ``relational=True`` or without a bottleneck for the graph.
            (default: :obj:`False`)
        bottleneck (tuple of str): The modalities that get a bottleneck: their names, or
            ``'all'``, or ``'features'`` for those that describe the entities themselves
            (all but the graph and the features of neighbours). :obj:`True` is
            ``('all',)``, :obj:`False` is ``()``, and a single string is read by
            :func:`parse_bottleneck`. (default: :obj:`('features',)`)
        modal_dropout (float): Dropout in the modal encoders. (default: :obj:`0.0`)
        init_logstd (float): Start of :math:`\log\sigma`. (default: :obj:`-3.0`)
        count_modalities (tuple of str): Modalities whose features are counts, which
            enter as :math:`\log(1 + n)`: the hundredth triple of a relation says less
            than the first. (default: :obj:`('relation',)`)

    Raises:
        ValueError: If a value is out of range.

    Example:
        >>> ModelOptions(bottleneck=True).bottleneck
        ('all',)
        >>> ModelOptions.preset("paper").heads
        2
    """

    graph_channels: int = option(300, "channels of the graph latent", at_least=1)
    modal_channels: int = option(
        100, "channels of the latent of any other modality", at_least=1
    )
    num_layers: int = option(2, "graph attention layers", at_least=1)
    heads: int = option(1, "attention heads", at_least=1)
    relational: bool = option(
        True, "relations and distances apart; no: the paper's graph encoder"
    )
    residual: bool = option(
        True, "modal encoders start from the similarities of the features as they are"
    )
    neighbor_features: bool = option(
        True, "the features of an entity's neighbours are modalities, too"
    )
    share_seeds: bool = option(
        True, "one embedding for the two entities of a training pair"
    )
    dropout: float = option(0.3, "dropout between graph layers", at_least=0, below=1)
    separate_stacks: bool = option(
        False, "give log sigma hidden graph layers of its own"
    )
    bottleneck: tuple[str, ...] = option(
        (_FEATURES,),
        "modalities with a bottleneck: all, features (of the entities themselves), "
        "none, or names joined by commas",
        parse=parse_bottleneck,
        show=show_bottleneck,
    )
    modal_dropout: float = 0.0
    init_logstd: float = -3.0
    count_modalities: tuple[str, ...] = ("relation",)

    def __post_init__(self) -> None:
        # The dataclass is frozen: this is where values take their one form.
        object.__setattr__(self, "bottleneck", _bottleneck(self.bottleneck))
        counts = self.count_modalities
        names = (counts,) if isinstance(counts, str) else counts
        names = _names("count_modalities", names)
        object.__setattr__(self, "count_modalities", names)
        check_ranges(self)
        check_type("modal_dropout", self.modal_dropout, 0.0)
        check_type("init_logstd", self.init_logstd, 0.0)
        if not abs(self.init_logstd) < math.inf:
            raise ValueError(f"init_logstd must be finite, got {self.init_logstd}")
        if not 0 <= self.modal_dropout < 1:
            raise ValueError(
                f"modal_dropout must lie in [0, 1), got {self.modal_dropout}"
            )

    @classmethod
    def preset(cls, name: str) -> ModelOptions:
        """Published settings.

        Args:
            name (str): ``'paper'`` (`arXiv:2407.19302
                <https://arxiv.org/abs/2407.19302>`_).

        Raises:
            ValueError: If there is no such preset.
        """
        if name not in _PRESETS:
            raise ValueError(f"unknown preset {name!r}; there is {sorted(_PRESETS)}")
        return _PRESETS[name]

    def replace(self, **changes: Any) -> ModelOptions:
        """A copy with other values.

        Args:
            **changes: Values by name.

        Raises:
            TypeError: If there is no such option; the message names the one that was
                probably meant.

        Example:
            >>> ModelOptions().replace(heads=4).heads
            4
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                meant = f"did you mean {near[0]!r}?" if near else f"there are {known}"
                raise TypeError(f"the model has no option {name!r}; {meant}")
        return dataclasses.replace(self, **changes)

    def select_bottlenecks(
        self, features: Collection[str], modalities: Collection[str]
    ) -> set[str]:
        """The modalities that get a bottleneck.

        Args:
            features (collection of str): Those that describe the entities themselves.
            modalities (collection of str): All of the model.

        Raises:
            ValueError: If ``bottleneck`` names a modality that is not among them.
        """
        groups = {_ALL: modalities, _FEATURES: features}
        names = [n for word in self.bottleneck for n in groups.get(word, [word])]
        return select_bottlenecks(names, modalities)


def select_bottlenecks(
    bottleneck: bool | str | Collection[str], modalities: Collection[str]
) -> set[str]:
    """The modalities that get a bottleneck.

    Raises:
        ValueError: If it is a string, or a name is not among the modalities.
    """
    if isinstance(bottleneck, bool):
        return set(modalities) if bottleneck else set()
    if isinstance(bottleneck, str):
        raise ValueError(
            "bottleneck must be a bool or a collection of modality names, got "
            f"{bottleneck!r}"
        )
    unknown = sorted(set(bottleneck) - set(modalities))
    if unknown:
        raise ValueError(
            f"bottleneck names {unknown}, but the modalities are {sorted(modalities)}"
        )
    return set(bottleneck)


def _bottleneck(value: bool | str | Collection[str]) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (_ALL,) if value else ()
    if isinstance(value, str):
        return parse_bottleneck(value)
    return _names("bottleneck", value)


def _names(option: str, value: Any) -> tuple[str, ...]:
    """The names that an option holds."""
    if not isinstance(value, Collection) or not all(isinstance(n, str) for n in value):
        raise ValueError(f"{option} must be names, got {value!r}")
    return tuple(value)


_PRESETS = {
    "paper": ModelOptions(
        graph_channels=300,
        modal_channels=100,
        heads=2,
        relational=False,
        residual=False,
        neighbor_features=False,
        share_seeds=False,
        dropout=0.45,
        separate_stacks=True,
        bottleneck=(_ALL,),
    )
}
