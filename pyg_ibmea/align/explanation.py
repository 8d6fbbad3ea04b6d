"""Why two entities match: what adds up to the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyg_ibmea.align._alignment_text import one_field

MODALITY, FACT, REST, DECODER = "modality", "fact", "rest", "decoder"
"""Kinds of contributions."""


@dataclass(frozen=True)
class Contribution:
    """One of the terms that a score is the sum of.

    Attributes:
        name (str): What it comes from: a modality such as ``'image'``, a bonus such as
            ``'neighbourhood'``, or a term of the decoder such as ``'hubness'``.
        value (float): What it adds to the score.
        text (str): A sentence about it.
        kind (str): ``'modality'``, ``'fact'`` (a pair of facts, one of each entity),
            ``'rest'`` (the facts that are not told one by one) or ``'decoder'``.
        source (str): The fact as the source graph has it; ``''`` if it is none.
        target (str): The fact as the target graph has it; ``''`` if it is none.
    """

    name: str
    value: float
    text: str
    kind: str = MODALITY
    source: str = ""
    target: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why two entities get their score: contributions that add up to it.

    It prints as text; see :meth:`text`.

    Attributes:
        source (str): URI of the source entity.
        target (str): URI of the target entity.
        source_graph (str): Name of the graph of ``source``.
        target_graph (str): Name of the graph of ``target``.
        score (float): The score of the pair by the decoder, as an alignment has it.
        contributions (tuple of Contribution): What adds up to the score, in the order
            modalities, facts (the strongest first), the decoder's terms.
        decoder (str): Name of the decoder.
        confidence (float, optional): The probability that the pair is right; ``None``
            if it is unknown.
        is_match (bool): Whether it is the match that was found for ``source``.
        notes (tuple of str): What a reader must know beside.
        runner_up (Explanation, optional): That of the second-best match.

    Example:
        >>> why = Explanation(
        ...     "a", "x", "zh", "en", 0.75,
        ...     (Contribution("name", 1.0, "similarity 1.00, weight 1.00"),
        ...      Contribution("hubness", -0.25, "of a", "decoder")), "csls", 0.9)
        >>> print(why)
        a = x (zh - en)
        score 0.750 by csls, confidence 0.900
        <BLANKLINE>
          +1.000  name     similarity 1.00, weight 1.00
          -0.250  hubness  of a
          ------
           0.750  score
        >>> sum(c.value for c in why.contributions) == why.score
        True
    """

    source: str
    target: str
    source_graph: str
    target_graph: str
    score: float
    contributions: tuple[Contribution, ...]
    decoder: str = ""
    confidence: float | None = None
    is_match: bool = False
    notes: tuple[str, ...] = ()
    runner_up: Explanation | None = None

    def by_name(self) -> dict[str, float]:
        """What each modality, bonus and term of the decoder adds, all facts of a bonus
        together.
        """
        sums: dict[str, float] = {}
        for found in self.contributions:
            sums[found.name] = sums.get(found.name, 0.0) + found.value
        return sums

    def text(self) -> str:
        """For people to read: a line for each contribution, and beside the runner-up,
        where it is known, what each name adds to both.
        """
        sure = "" if self.confidence is None else f", confidence {self.confidence:.3f}"
        by = f" by {self.decoder}" if self.decoder else ""
        lines = [
            one_field(
                f"{self.source} = {self.target} "
                f"({self.source_graph} - {self.target_graph})"
            ),
            f"score {self.score:.3f}{by}{sure}",
            "",
        ]
        width = max([len(c.name) for c in self.contributions] + [5])
        for c in self.contributions:
            line = f"{c.value:+8.3f}  {c.name.ljust(width)}  {one_field(c.text)}"
            lines.append(line.rstrip())
        lines += ["  ------", f"{self.score:8.3f}  score"]
        lines += [f"note: {one_field(note)}" for note in self.notes]
        if self.runner_up is not None:
            lines += ["", *_beside(self, self.runner_up)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON can hold it."""
        said: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                *("source", "target", "source_graph", "target_graph", "score"),
                *("decoder", "confidence", "is_match"),
            )
        }
        said["contributions"] = [
            {key: value for key, value in vars(c).items() if value != ""}
            for c in self.contributions
        ]
        said["notes"] = list(self.notes)
        other = self.runner_up
        said["runner_up"] = None if other is None else other.to_dict()
        return said

    def plot(self) -> Any:
        """A waterfall plot: it starts at 0, each contribution is a bar from where the
        last one ended, and it ends at the score; beside it that of the runner-up, where
        it is known.

        Returns:
            matplotlib.figure.Figure: The plot; ``figure.savefig(path)`` writes it.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        from pyg_ibmea.align._waterfall import waterfall

        return waterfall(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(self.text())}</pre>"

    def __str__(self) -> str:
        return self.text()


def _beside(found: Explanation, other: Explanation) -> list[str]:
    """What each name adds to two explanations, and to the difference."""
    ours, theirs = found.by_name(), other.by_name()
    names = list(dict.fromkeys([*ours, *theirs]))
    width = max(map(len, [*names, "score"]))
    rows = [(name, ours.get(name, 0.0), theirs.get(name, 0.0)) for name in names]
    rows.append(("score", found.score, other.score))
    head = f"  {'':{width}}  {'match':>9}  {'runner-up':>9}  {'difference':>10}"
    return [
        one_field(f"runner-up: {other.target}"),
        head,
        *(
            f"  {name.ljust(width)}  {a:9.3f}  {b:9.3f}  {a - b:+10.3f}"
            for name, a, b in rows
        ),
    ]
