"""Forms of a label that differ in spelling alone."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_IN_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*")


@lru_cache(maxsize=1 << 16)
def _letter(character: str) -> str:
    kind = unicodedata.category(character)
    return " " if kind[0] in "PSZC" else character


def plain(label: str) -> str:
    """A label without case, accents, punctuation and forms of letters.

    Example:
        >>> plain("Abdullah_Gül, Jr.")
        'abdullah gul jr'
    """
    text = unicodedata.normalize("NFKC", label).casefold()
    if not text.isascii():
        # Marks of scripts that write vowels as marks carry meaning; accents do not.
        parts = unicodedata.normalize("NFD", text)
        kept = [c for c in parts if not "\u0300" <= c <= "\u036f"]
        text = unicodedata.normalize("NFC", "".join(kept))
    return " ".join("".join(map(_letter, text)).split())


def in_any_order(label: str) -> str:
    """The words of a label in alphabetical order.

    Example:
        >>> in_any_order("Gül, Abdullah") == in_any_order("abdullah gul")
        True
    """
    return " ".join(sorted(plain(label).split()))


def without_brackets(label: str) -> str:
    """A label without what is in brackets, as in ``'Zug (city)'``; the whole label if
    nothing else is left.

    Example:
        >>> without_brackets("Zug (city)"), without_brackets("(city)")
        ('zug', 'city')
    """
    text = unicodedata.normalize("NFKC", label.replace("_", " "))
    shorter = _IN_BRACKETS.sub(" ", text)
    return in_any_order(shorter) or in_any_order(label)
