from __future__ import annotations

from pathlib import Path

import pytest

from pyg_ibmea.datasets import SRPRS


@pytest.fixture(scope="module")
def raw() -> Path:
    published = Path(__file__).parents[3] / "shared" / "data"
    if not (published / "SRPRS" / "en_fr" / "ent_ids_1").is_file():
        pytest.skip(f"the published files of SRPRS are not in {published / 'SRPRS'}")
    return published / "SRPRS"


def test_published_counts_and_folds(raw: Path, tmp_path: Path) -> None:
    data = SRPRS(tmp_path, "en_fr", raw)[0]
    assert (data["en"].num_nodes, data["fr"].num_nodes) == (15_000, 15_000)
    assert data["en", "rel", "en"].num_edges == 36_508
    assert data["fr", "rel", "fr"].num_edges == 33_532
    links = data["en", "same_as", "fr"]
    assert links.num_edges == 15_000
    seeds = {
        tuple(line.split())
        for line in (raw / "en_fr" / "sup_ent_ids").read_text().splitlines()
    }
    table = {
        name: (raw / "en_fr" / f"ent_ids_{side}").read_text("utf-8").split("\n")
        for side, name in ((1, "en"), (2, "fr"))
    }
    ids = {name: [line.split("\t")[0] for line in rows] for name, rows in table.items()}
    ours = {
        (ids["en"][source], ids["fr"][target])
        for source, target in links.edge_index[:, ~links.test_mask].t().tolist()
    }
    assert ours == seeds
    assert (int(links.train_mask.sum()), int(links.val_mask.sum())) == (4050, 450)


def test_equal_relation_uris_share_a_column(raw: Path, tmp_path: Path) -> None:
    data = SRPRS(tmp_path, "en_fr", raw, modalities=("relation",))[0]
    used = [set(map(str, data.relation_uri[name])) for name in ("en", "fr")]
    assert len(used[0] & used[1]) > 50
    assert data["en"].x_relation.size(1) == len(used[0] | used[1])


def test_a_ratio_overrides_the_folds(raw: Path, tmp_path: Path) -> None:
    data = SRPRS(tmp_path, "en_fr", raw, modalities=("relation",), ratio=0.1)[0]
    links = data["en", "same_as", "fr"]
    assert (int(links.train_mask.sum()), int(links.test_mask.sum())) == (1350, 13_500)
