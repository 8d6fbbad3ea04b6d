r"""Names as terms of N-Triples, and back.

A name that is an absolute IRI (RFC 3987) is written as it is. Any other is minted one
that can be mapped back: ``urn:x-entity:`` and the name in UTF-8, percent-encoded. So is
a name that begins with ``urn:x-entity:`` itself, so that no two names share an IRI.
"""

from __future__ import annotations

import json
import re
import warnings
from ipaddress import IPv6Address
from urllib.parse import quote, unquote

MINTED = "urn:x-entity:"
"""How the IRIs begin that are minted here."""

# ucschar and iprivate of RFC 3987, section 2.2.
_LETTERS = (
    "\xa0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef"
    + "".join(f"{chr(p << 16)}-{chr((p << 16) + 0xFFFD)}" for p in range(1, 14))
    + "\U000e1000-\U000efffd"
)
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
_PLAIN = rf"A-Za-z0-9\-._~!$&'()*+,;={_LETTERS}"
_PERCENT = "%[0-9A-Fa-f]{2}"
_IRI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:(?!$)"
    rf"(?://(?:(?:[{_PLAIN}:]|{_PERCENT})*@)?"
    rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?:[{_PLAIN}]|{_PERCENT})*)(?::[0-9]*)?(?![^/?#])"
    r"|(?!//))"
    rf"(?:[{_PLAIN}:@/]|{_PERCENT})*"
    rf"(?:\?(?:[{_PLAIN}:@/?{_PRIVATE}]|{_PERCENT})*)?"
    rf"(?:#(?:[{_PLAIN}:@/?]|{_PERCENT})*)?"
)
_SPACE = re.compile(r"\s")
_BLANK = re.compile(r"_:[A-Za-z0-9](?:[A-Za-z0-9._\-]*[A-Za-z0-9_\-])?")


def is_blank(name: str) -> bool:
    """Whether a name is that of a blank node, which means nothing outside its file.

    Example:
        >>> is_blank("_:b0"), is_blank("_: b"), is_blank("b0")
        (True, False, False)
    """
    return name.startswith("_:") and _BLANK.fullmatch(name) is not None


def warn_of_blank(
    count: int,
    one: str = "owl:sameAs statement",
    several: str = "owl:sameAs statements",
) -> None:
    """Says how much was left out for the sake of blank nodes, if anything.

    Args:
        count (int): How many there were.
        one (str, optional): What one of them is called.
        several (str, optional): What several are called.
    """
    if count:
        warnings.warn(
            f"left out {count} {several if count > 1 else one} about blank nodes, "
            "which have no IRI outside their file",
            stacklevel=3,
        )


def iri_of(name: str) -> str:
    r"""The IRI of a name: the name itself, or one that is minted.

    Example:
        >>> iri_of("http://x/a"), iri_of("http://x/a b")
        ('http://x/a', 'urn:x-entity:http%3A%2F%2Fx%2Fa%20b')
    """
    if not _is_iri(name) or name.startswith(MINTED):
        return f"{MINTED}{quote(name, safe='')}"
    return name


def iri_term(name: str) -> str:
    r"""A name as an IRI of N-Triples, in angle brackets.

    Example:
        >>> iri_term("http://x/東京"), iri_term("http://x/a%20b")
        ('<http://x/東京>', '<http://x/a%20b>')
        >>> iri_term("http://x/a b"), iri_term("Paris <1>")
        ('<urn:x-entity:http%3A%2F%2Fx%2Fa%20b>', '<urn:x-entity:Paris%20%3C1%3E>')
    """
    # Some parsers take the white space of all scripts for the end of an IRI.
    escaped = _SPACE.sub(lambda found: f"\\u{ord(found[0]):04X}", iri_of(name))
    return f"<{escaped}>"


def node_term(name: str) -> str:
    """A name as a subject or object of N-Triples: an IRI, or a blank node.

    Example:
        >>> node_term("_:b0"), node_term("urn:b")
        ('_:b0', '<urn:b>')
    """
    return name if is_blank(name) else iri_term(name)


def literal_term(text: str) -> str:
    r"""A text as a literal of N-Triples; letters of all scripts stay as they are.

    Example:
        >>> print(literal_term('"é" \U0001f600\n'))
        "\"é\" 😀\n"
    """
    # JSON escapes as N-Triples does, as long as nothing becomes surrogates.
    return json.dumps(text, ensure_ascii=False)


def name_of_iri(iri: str) -> str:
    """The name that an IRI was made for; the IRI itself if it was not minted here.

    Example:
        >>> name_of_iri("urn:x-entity:Paris%20%3C1%3E"), name_of_iri("http://x/a%20b")
        ('Paris <1>', 'http://x/a%20b')
    """
    if not iri.startswith(MINTED):
        return iri
    name = unquote(iri.removeprefix(MINTED), errors="replace")
    # Others may use the prefix, too: an IRI that is not minted so is left alone.
    return name if iri_term(name) == f"<{iri}>" else iri


def _is_iri(name: str) -> bool:
    found = _IRI.fullmatch(name)
    if found is None or found["v6"] is None:
        return found is not None
    try:
        IPv6Address(found["v6"])
    except ValueError:
        return False
    return True
