from __future__ import annotations

from pathlib import Path

import pytest

from pyg_ibmea.datasets import MMKB


@pytest.fixture(scope="module")
def raw() -> Path:
    published = Path(__file__).parents[3] / "shared" / "data"
    if not (published / "FB15K_DB15K" / "ent_ids_1").is_file():
        pytest.skip(f"the files of FB15K-DB15K are not in {published / 'FB15K_DB15K'}")
    return published


@pytest.mark.filterwarnings("ignore:Modality 'relation'.*share no column")
def test_counts_and_one_sided_attributes(raw: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="'attribute' is missing .* 'DB15K'"):
        data = MMKB(tmp_path, "FB15K_DB15K", raw)[0]
    assert (data["FB15K"].num_nodes, data["DB15K"].num_nodes) == (14_951, 12_842)
    assert data["FB15K", "rel", "FB15K"].num_edges == 483_272
    assert data["DB15K", "rel", "DB15K"].num_edges == 89_197
    assert int(data["FB15K"].mask_attribute.sum()) == 12_493
    assert not data["DB15K"].mask_attribute.any()
    assert data["DB15K"].x_attribute.shape == (12_842, 116)
    links = data["FB15K", "same_as", "DB15K"]
    masks = links.train_mask, links.val_mask, links.test_mask
    # 20 % of 12,846 links; one more or less where two links share an entity.
    assert sum(int(mask.sum()) for mask in masks) == 12_846
    for mask, expected in zip(masks, (2312, 257, 10_277), strict=True):
        assert abs(int(mask.sum()) - expected) <= 1


@pytest.mark.filterwarnings("ignore:Modality 'relation'.*share no column")
def test_many_to_one_links_stay_together(raw: Path, tmp_path: Path) -> None:
    for split_seed in range(5):
        data = MMKB(
            tmp_path,
            raw=raw,
            modalities=("relation",),
            ratio=0.5,
            split_seed=split_seed,
        )[0]
        links = data["FB15K", "same_as", "DB15K"]
        target = links.edge_index[1]
        uses = target.bincount()
        shared = (uses > 1).nonzero().flatten()
        assert shared.numel() == 4
        for node in shared:
            at = target == node
            for mask in (links.train_mask, links.val_mask, links.test_mask):
                assert mask[at].all() or not mask[at].any()
