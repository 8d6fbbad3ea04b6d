"""The alignment problems of the study as HeteroData, whole or damaged."""

from __future__ import annotations

import numpy as np
import torch
from torch_geometric.data import HeteroData

from examples.emoji_tables import emoji_files, shared_keywords
from pyg_ibmea.data import split_links
from pyg_ibmea.data.features.colours import encode_image
from pyg_ibmea.datasets import (
    DBP15K,
    MMKB,
    SRPRS,
    DensestPairs,
    HideModality,
    RewireEdges,
    SwapFeatures,
    WrongSeeds,
)

SMALL_PAIRS = 4500
FEATURES = ["relation", "attribute"]
DAMAGES = {
    "edges rewired": RewireEdges,
    "features swapped": lambda level: SwapFeatures(level, FEATURES),
    "wrong seeds": WrongSeeds,
    "modalities missing": lambda level: HideModality(level, FEATURES),
    "missing on one side": lambda level: HideModality({"zh": level}, FEATURES),
    "images missing on one side": lambda level: HideModality({"en": level}),
}


def problem_of(run, raw, root, names=None):
    """The alignment problem of a run, with its damage."""
    data = load_problem(run.problem, run.ratio, raw, root, names)
    return DAMAGES[run.damage](run.level)(data) if run.damage else data


def load_problem(name, ratio, raw, root, names=None):
    """A problem of the study.

    Args:
        name (str): Problem, such as ``zh_en``.
        ratio (float): Share of the links that are seed pairs.
        raw (Path): Folder of the published files.
        root (Path): Folder of the processed cache.
        names (Path, optional): File of names or name features, for zh_en only.
            (default: :obj:`None`, no names)
    """
    if name == "emoji":
        return emoji_problem(raw / "emoji", ratio)
    if name == "en_fr":
        return SRPRS(root / "SRPRS", "en_fr", raw=raw / "SRPRS")[0]
    if name == "FB15K_DB15K":
        return MMKB(root / "MMKB", name, raw=raw, ratio=ratio)[0]
    options = {"raw": raw / "DBP15K", "name": names}
    data = DBP15K(root / "DBP15K", "zh_en", ratio=0.3, **options)[0]
    return DensestPairs(SMALL_PAIRS, ratio)(data) if name == "zh_en_small" else data


def emoji_problem(folder, ratio, languages=("zh", "en"), vendors=("google", "twitter")):
    """Emoji with the keywords of one language and the images of one vendor on each
    side. A keyword that two emoji share is an entity of its own; flags are left out.
    """
    files = emoji_files(folder)
    data = HeteroData()
    data.uri = {}
    for language, vendor in zip(languages, vendors, strict=True):
        pairs = shared_keywords(folder, language, files)
        words = sorted({word for _, word in pairs})
        number = {e: i for i, e in enumerate([*files, *words])}
        edges = [(number[e], number[w]) for e, w in pairs]
        images = [encode_image(folder / f"img_{vendor}" / f) for f in files.values()]
        x = torch.zeros(len(number), images[0].size)
        x[: len(images)] = torch.from_numpy(np.stack(images))
        store = data[language]
        store.num_nodes = len(number)
        store.x_image = x
        store.mask_image = torch.arange(len(number)) < len(images)
        data[language, "rel", language].edge_index = torch.tensor(edges).t()
        data[language, "rel", language].edge_type = torch.zeros(len(edges)).long()
        data.uri[language] = [*files, *words]
    links = data[languages[0], "same_as", languages[1]]
    links.edge_index = torch.arange(len(files)).repeat(2, 1)
    links.train_mask, links.val_mask, links.test_mask = split_links(
        links.edge_index, ratio
    )
    return data
