r"""Names as fields of tab-separated text, and back.

As in the TSV results of SPARQL, a tab, a line feed, a carriage return and a backslash
in a name are written ``\t``, ``\n``, ``\r`` and ``\\``; all else is written as it is.
"""

from __future__ import annotations

import re

_ESCAPED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_CHARACTER = {escape: character for character, escape in _ESCAPED.items()}
_ESCAPE = re.compile(r"\\[\\tnr]")


def field_of(name: str) -> str:
    r"""A name as a field.

    Example:
        >>> print(field_of("two\nlines"), field_of("C:\\temp"))
        two\nlines C:\\temp
    """
    # The backslash first. Much faster than a translation or a regular expression.
    for character, escape in _ESCAPED.items():
        if character in name:
            name = name.replace(character, escape)
    return name


def name_of_field(field: str) -> str:
    r"""The name that a field holds. A backslash before another character stays.

    Example:
        >>> name_of_field(r"two\nlines"), name_of_field(r"\d")
        ('two\nlines', '\\d')
    """
    if "\\" not in field:
        return field
    return _ESCAPE.sub(lambda found: _CHARACTER[found[0]], field)
