"""The picture of the README: matches of a run of ``examples/own_graphs.py``.

    python docs/make_picture.py --raw FOLDER --run runs/own_graphs/run_0 \
        --font wqy-microhei.ttc --emoji 1FA84 1F428 1F304 1F6A8 1F35F 1F455

FOLDER holds the emoji, the run folder their alignment; the font has Chinese characters
(that of the picture is WenQuanYi Micro Hei).
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib import font_manager
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from examples.emoji_tables import emoji_files, shared_keywords  # noqa: E402

SIDES = (("zh", "google", 0.36, -1), ("en", "twitter", 0.64, 1))
HEADINGS = ("Chinese keywords, Noto Emoji", "English keywords, Twemoji")
RIGHT, WRONG = "#2a7f62", "#b3412f"


def keywords_of(raw, language, files, limit=3):
    """The first shared keywords of each emoji, as one text."""
    found: dict[str, list[str]] = {}
    for emoji, word in shared_keywords(raw, language, files):
        found.setdefault(emoji, []).append(word)
    return {emoji: "  ·  ".join(words[:limit]) for emoji, words in found.items()}


def draw(raw, matches, path):
    """Draws matches one below the other.

    Args:
        raw: Folder of the emoji (pathlib.Path).
        matches: Rows of ``alignment.tsv``.
        path: File to write (pathlib.Path).
    """
    files = emoji_files(raw)
    words = {language: keywords_of(raw, language, files) for language, *_ in SIDES}
    rows = len(matches)
    figure, axes = plt.subplots(figsize=(9, 0.62 * rows + 0.6))
    axes.set(xlim=(0, 1), ylim=(-0.6, rows + 0.35))
    axes.axis("off")
    for (_, _, x, side), heading in zip(SIDES, HEADINGS, strict=True):
        where = {"ha": "right" if side < 0 else "left", "va": "center"}
        axes.text(x - 0.03 * side, rows, heading, color="0.35", size=10, **where)
    axes.text(0.5, rows, "confidence", color="0.35", size=10, ha="center", va="center")
    for y, match in zip(range(rows - 1, -1, -1), matches, strict=True):
        right = match["source"] == match["target"]
        colour, confidence = RIGHT if right else WRONG, float(match["confidence"])
        style = {"color": colour, "linestyle": "-" if right else "--"}
        axes.plot([0.4, 0.6], [y, y], lw=1 + 2 * confidence, zorder=1, **style)
        label = f"{confidence:.2f}" if right else f"{confidence:.2f}, wrong"
        box = {"facecolor": "white", "edgecolor": "none", "pad": 3}
        axes.text(0.5, y, label, color=colour, ha="center", va="center", bbox=box)
        for (language, vendor, x, side), emoji in zip(
            SIDES, (match["source"], match["target"]), strict=True
        ):
            image = plt.imread(raw / f"img_{vendor}" / files[emoji])
            picture = OffsetImage(image, zoom=0.5)
            axes.add_artist(AnnotationBbox(picture, (x, y), frameon=False))
            where = {"ha": "right" if side < 0 else "left", "va": "center"}
            axes.text(x + 0.04 * side, y, words[language].get(emoji, ""), **where)
    figure.savefig(path, dpi=140, bbox_inches="tight", pad_inches=0.08)


def main():
    """Reads the alignment and draws the matches of the emoji that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of the emoji")
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--font", type=Path, help="font file, .ttf or .ttc")
    parser.add_argument("--emoji", nargs="+", required=True, help="code points")
    parser.add_argument("--out", type=Path, default=HERE / "images" / "emoji.png")
    args = parser.parse_args()
    with open(args.run / "alignment.tsv", encoding="utf-8", newline="") as file:
        rows = {row["source"]: row for row in csv.DictReader(file, delimiter="\t")}
    if unknown := [emoji for emoji in args.emoji if emoji not in rows]:
        parser.error(f"{args.run} has no match for {', '.join(unknown)}")
    if args.font:
        font_manager.fontManager.addfont(args.font)
        added = font_manager.FontProperties(fname=args.font).get_name()
        plt.rcParams["font.family"] = ["DejaVu Sans", added]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    draw(args.raw, [rows[emoji] for emoji in args.emoji], args.out)


if __name__ == "__main__":
    main()
