"""How far to trust an alignment of your own files: emoji, keywords and images.

    python examples/own_graphs.py --raw FOLDER --out runs/own_graphs

FOLDER holds ``emoji.tsv`` (code point, emoji, group, subgroup, version, image file),
``keywords_LANGUAGE.tsv`` (code point, keyword) and ``img_VENDOR`` with the images.
Keywords of two languages and images of two vendors make two graphs, whose emoji are to
be aligned; a keyword that two emoji share is an entity of its own. Four problems are
written as tables and given to ``pyg-ibmea train``, with any further options: as it is;
images missing on one side; a third graph; entities without a counterpart. The table
that is printed, and written as ``figures.csv``, is of the test pairs.
"""

import argparse
import csv
import json
import random
import time
from itertools import pairwise
from pathlib import Path

from emoji_tables import emoji_files, shared_keywords

from pyg_ibmea.cli import main as pyg_ibmea

VENDORS = {"zh": "google", "en": "twitter", "ja": "google"}
SHARE = 0.3  # Of the emoji that are known pairs.
NO_IMAGE, LOST = 0.8, 0.2  # Shares of the emoji of one side.


def write_table(path, rows):
    """A table for pyg-ibmea; its path."""
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def write_graph(raw, out, language, lost=(), unseen=()):
    """The options that name a graph; its tables are written.

    Args:
        raw (Path): Folder of the emoji.
        out (Path): Folder of the tables.
        language (str): Language of the keywords, which decides the vendor of the
            images.
        lost (collection of str, optional): Emoji that are not in the graph.
        unseen (collection of str, optional): Emoji without an image.
    """
    files = {e: file for e, file in emoji_files(raw).items() if e not in lost}
    pairs = shared_keywords(raw, language, files)
    triples = [(e, "keyword", f"word:{w}") for e, w in pairs]
    folder = raw / f"img_{VENDORS[language]}"
    images = [(e, str(folder / f)) for e, f in files.items() if e not in unseen]
    out.mkdir(parents=True, exist_ok=True)
    return [
        *("--graph", language),
        "triples=" + write_table(out / f"triples_{language}.tsv", triples),
        "images=" + write_table(out / f"images_{language}.tsv", images),
        "entities=" + write_table(out / f"emoji_{language}.tsv", [[e] for e in files]),
    ]


def problems(raw, out):
    """The options of ``pyg-ibmea train`` by problem; their files are written."""
    emoji = list(emoji_files(raw))

    def same(folder, kept, languages=("zh", "en")):
        """The known pairs of each graph and the next."""
        options = []
        for pair in pairwise(languages):
            path = out / folder / f"same_{'_'.join(pair)}.tsv"
            options += ["--links", *pair, write_table(path, [(e, e) for e in kept])]
        return options

    def graphs(folder, languages=("zh", "en"), **missing):
        options = []
        for language in languages:
            what = missing if language == "en" else {}
            options += write_graph(raw, out / folder, language, **what)
        return options

    chance = random.Random(0)
    unseen = set(chance.sample(emoji, round(NO_IMAGE * len(emoji))))
    lost = set(chance.sample(emoji, round(LOST * len(emoji))))
    kept = [e for e in emoji if e not in lost]
    found = {
        "as it is": [*graphs("plain"), *same("plain", emoji)],
        f"{NO_IMAGE:.0%} of one side's images missing": [
            *graphs("unseen", unseen=unseen),
            *same("unseen", emoji),
        ],
        "a third graph, ja": [
            *graphs("third", ("zh", "en", "ja")),
            *same("third", emoji, ("zh", "en", "ja")),
        ],
        f"{LOST:.0%} of one side's emoji missing": [
            *graphs("lost", lost=lost),
            *same("lost", kept),
        ],
    }
    alone = write_table(out / "lost" / "alone.tsv", [[e] for e in sorted(lost)])
    found[list(found)[-1]] += ["--alone", "zh", "en", alone]
    return found


def figures_of(name, metrics):
    """A row of the table: zh and en, source to target."""
    metrics = metrics.get("pairs", {}).get("zh - en", metrics)
    half = metrics["confidence"]["coverage"][4]
    found = {
        "problem": name,
        "Hits@1 CSLS": metrics["test"]["csls"]["hits@1"],
        "Hits@1 Sinkhorn": metrics["test"]["sinkhorn"]["hits@1"],
        "calibration error": metrics["confidence"]["expected_calibration_error"],
        "precision of the surer half": half["precision"],
        "F1 of those without counterpart": "",
    }
    if "dangling" in metrics["confidence"]:
        dangling = metrics["confidence"]["dangling"]
        found["F1 of those without counterpart"] = dangling["f1"]
    return {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in found.items()}


def main():
    """Writes the tables, trains, and prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, required=True, help="folder of the emoji")
    parser.add_argument("--out", type=Path, default=Path("runs/own_graphs"))
    args, options = parser.parse_known_args()
    if not (args.raw / "emoji.tsv").is_file():
        parser.error(
            f"--raw: {args.raw} has no emoji.tsv; see --help for what it holds"
        )
    rows = []
    for number, (name, of_problem) in enumerate(problems(args.raw, args.out).items()):
        run = args.out / f"run_{number}"
        command = ["train", *of_problem, "--ratio", str(SHARE), "--out", str(run)]
        command += ["--cache", str(args.out / "cache")]
        began = time.process_time()
        if code := pyg_ibmea([*command, *options]):
            return code
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        seconds = f"{time.process_time() - began:.0f}"
        rows.append({**figures_of(name, metrics), "core seconds": seconds})
    with open(args.out / "figures.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    print((args.out / "figures.csv").read_text(encoding="utf-8"), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
