"""In how many ways the values of an attribute are written."""

from __future__ import annotations

from torch_geometric.data import HeteroData

from pyg_ibmea.align._value_columns import dates_or_numbers
from pyg_ibmea.problem import literals_of
from pyg_ibmea.typed_values import TypedValue

_ISO = ("YYYY-MM-DD", "YYYY-MM", "YYYY")


def mixed_forms(data: HeteroData) -> list[str]:
    """Says which attributes have numbers in several units, or dates written in several
    ways, with counts and examples.

    Args:
        data (HeteroData): The problem.

    Example:
        >>> import torch
        >>> data = HeteroData()
        >>> data["en"].num_nodes = 2
        >>> data.literals = {
        ...     "en": {
        ...         "entity": torch.tensor([0, 1, 1]),
        ...         "attribute": torch.tensor([0, 0, 0]),
        ...         "text": ["1.80", "175 cm", "170 cm"],
        ...         "attribute_uri": ["height"],
        ...     }
        ... }
        >>> for sentence in mixed_forms(data):
        ...     print(sentence)
        Graph 'en': the values of 'height' are written in several ways: 1 like '1.80' \
(number without unit), 2 like '175 cm' (number in cm). Numbers without a unit are not \
converted.
    """
    said = []
    for kg in data.node_types:
        literals = literals_of(data, kg)
        texts: list[list[str]] = [[] for _ in literals.attribute_uri]
        for number, text in zip(
            literals.attribute.tolist(), literals.text, strict=True
        ):
            texts[number].append(text)
        for name, of_attribute in zip(literals.attribute_uri, texts, strict=True):
            said += _said(kg, name, of_attribute)
    return said


def _said(kg: str, name: str, texts: list[str]) -> list[str]:
    forms: dict[str, list[str]] = {}
    for text, value in zip(texts, dates_or_numbers(texts), strict=True):
        if form := _form(value):
            forms.setdefault(form, []).append(text)
    if len(forms) < 2:
        return []
    ways = ", ".join(
        f"{len(found)} like {found[0]!r:.40} ({form})" for form, found in forms.items()
    )
    hint = ""
    if "number without unit" in forms:
        hint = " Numbers without a unit are not converted."
    return [
        f"Graph {kg!r}: the values of {name!r} are written in several ways: {ways}."
        f"{hint}"
    ]


def _form(value: TypedValue) -> str:
    """How a value is written; ``''`` if that goes with all other ways."""
    if value.kind == "number":
        return f"number in {value.form}" if value.form else "number without unit"
    if value.kind == "date" and value.form != "year":
        return "date of ISO 8601" if value.form in _ISO else f"date as {value.form}"
    return ""
