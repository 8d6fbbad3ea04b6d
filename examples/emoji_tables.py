"""The tables of a folder of emoji: code points, keywords and files of images."""

from __future__ import annotations

from collections import Counter


def read_table(path):
    """The rows of a table separated by tabs."""
    text = path.read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()]


def emoji_files(folder):
    """The image file of every emoji except flags, whose keywords are place names."""
    rows = read_table(folder / "emoji.tsv")
    return {row[0]: row[5] for row in rows if row[2] != "Flags"}


def shared_keywords(folder, language, emoji):
    """Pairs of an emoji and a keyword that at least two emoji share."""
    rows = read_table(folder / f"keywords_{language}.tsv")
    pairs = [(one, word) for one, word in rows if one in emoji]
    uses = Counter(word for _, word in pairs)
    return [(one, word) for one, word in pairs if uses[word] > 1]
