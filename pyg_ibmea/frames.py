"""Data frames in, matches out."""

from __future__ import annotations

from typing import Any

from pyg_ibmea.align import Alignment
from pyg_ibmea.aligner import Aligner
from pyg_ibmea.anchors import align_without_seeds
from pyg_ibmea.datasets import MMKGPair


def align_frames(
    source: Any,
    target: Any,
    links: Any = None,
    *,
    id: str | None = None,
    label: str | None = None,
    names: tuple[str, str] = ("source", "target"),
    training: bool = True,
    val_ratio: float = 0.3,
    **options: Any,
) -> Alignment:
    """Matches the rows of two data frames, with a confidence for each match.

    Text, numbers and dates in the columns count as evidence; which columns correspond,
    and in which units, is learned. :class:`~pyg_ibmea.Aligner` with
    :meth:`MMKGPair.from_frames <pyg_ibmea.datasets.MMKGPair.from_frames>` does the same
    in two steps and keeps the model.

    Args:
        source (frame or dict): A frame with a row for each entity (pandas, polars,
            Arrow, or a dictionary of lists), or the arguments of
            :func:`~pyg_ibmea.data.from_frames` by name, such as
            ``{"entities": frame, "id": "isbn", "label": "title"}``.
        target (frame or dict): Likewise; its columns may have other names.
        links (frame or sequence of tuple, optional): Known pairs by id. (default: none;
            what identifies entities, such as equal names, gives the first matches)
        id (str, optional): The column of both frames that names a row, where it is
            called the same. (default: as :func:`~pyg_ibmea.data.from_frames` finds it)
        label (str, optional): The column of both frames that a person knows a row by.
            (default: as :func:`~pyg_ibmea.data.from_frames` finds it)
        names (tuple, optional): Names of the two frames, as the graphs of the result.
            (default: :obj:`("source", "target")`)
        training (bool, optional): Whether a model learns from the known or the first
            matches. Without, the result takes seconds, needs no links and uses none;
            its confidence is not calibrated. (default: :obj:`True`)
        val_ratio (float, optional): Share of the known pairs that choose the epoch and
            calibrate the confidence. (default: :obj:`0.3`)
        **options (optional): Of :class:`~pyg_ibmea.Aligner`, such as ``epochs``,
            ``seed``, ``device`` or ``progress``.

    Returns:
        Alignment: The matches of all rows of ``source`` that are in no known pair;
        ``to_pandas()`` makes a data frame of them.

    Raises:
        ImportError: If a frame takes pyarrow, which is not installed.
        TypeError: If something is no data frame, there is no such option, or ``id`` or
            ``label`` are given beside the arguments of a frame, where they belong.
        ValueError: If ids are missing or repeat, a column or an entity is not there, or
            nothing is known that could identify a row; and as
            :meth:`Aligner.fit() <pyg_ibmea.Aligner.fit>`.

    Example:
        >>> ours = {"id": [1, 2], "name": ["Alien", "Brazil"], "year": [1979, 1985]}
        >>> theirs = {"id": ["x", "y"], "title": ["Brazil", "Alien"]}
        >>> theirs["released"] = [1985, 1979]
        >>> found = align_frames(ours, theirs, training=False)
        >>> sorted((match.source, match.target) for match in found)
        [('1', 'y'), ('2', 'x')]
    """
    columns = {"id": id, "label": label}
    shared = {name: column for name, column in columns.items() if column is not None}
    source, target = (_with_columns(side, shared) for side in (source, target))
    if not training:
        if links is not None or options:
            given = ["links"] * (links is not None) + list(options)
            raise ValueError(
                f"without a training, {', '.join(given)} would have no effect; leave "
                "them out"
            )
        return align_without_seeds(MMKGPair.from_frames(source, target, names=names)[0])
    aligner = Aligner(**options)
    dataset = MMKGPair.from_frames(source, target, links, names, val_ratio=val_ratio)
    return aligner.fit(dataset[0]).align()


def _with_columns(side: Any, columns: dict[str, str]) -> Any:
    """The arguments of a frame, with the columns that are called the same in both."""
    if not columns:
        return side
    if isinstance(side, dict) and {"entities", "triples", "attributes"} & set(side):
        told = " and ".join(columns)
        raise TypeError(
            f"{told} of a frame that is given with its arguments belong among them: "
            f'{{"entities": frame, {", ".join(f"{n!r}: ..." for n in columns)}}}'
        )
    return {"entities": side, **columns}
