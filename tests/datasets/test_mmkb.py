from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pyg_ibmea.datasets import MMKB
from pyg_ibmea.problem import check_problem, literals_of


@pytest.fixture(scope="module")
def raw() -> Path:
    published = Path(__file__).parents[3] / "shared" / "data"
    if not (published / "FB15K_DB15K" / "ent_ids_1").is_file():
        pytest.skip(f"the files of FB15K-DB15K are not in {published / 'FB15K_DB15K'}")
    return published


FILES = {
    "ent_ids_1": "0\t/m/a\n1\t/m/b\n",
    "ent_ids_2": "2\tA\n3\tB\n",
    "rel_ids_1": "0\tin\n",
    "rel_ids_2": "0\tof\n",
    "triples_1": "0\t0\t1\n",
    "triples_2": "3\t0\t2\n",
    "ill_ent_ids": "0\t2\n1\t3\n",
    "training_attrs_1": "/m/a\t<height>\n",
    "values_1.tsv": "/m/a\tdate_of_birth\t1982.333\t\n",
    "values_2.tsv": "A\tbirthDate\t1982-05-03\tdate\nB\tbirthYear\t1900\tgYear\n",
}


def mmkb(folder: Path, pair: str = "FB15K_DB15K", **changes: str | None) -> MMKB:
    where = folder / "raw" / pair
    where.mkdir(parents=True, exist_ok=True)
    for name, text in {**FILES, **changes}.items():
        (where / name).unlink(missing_ok=True)
        if text is not None:
            (where / name).write_text(text)
    return MMKB(folder, pair, ratio=0.5, val_ratio=0.0)


@pytest.mark.filterwarnings("ignore:Modality .* share no column")
@pytest.mark.parametrize("pair", ["FB15K_DB15K", "FB15K_YAGO15K"])
def test_values_are_literals_and_attributes(tmp_path: Path, pair: str) -> None:
    dataset = mmkb(tmp_path, pair)
    data, (one, other) = dataset[0], dataset.names
    check_problem(data)
    assert literals_of(data, one).text == ["1982.333"]
    assert literals_of(data, one).entity.tolist() == [0]
    assert literals_of(data, other).text == ["1982-05-03", "1900"]
    assert sorted(data.column_uri["attribute"]) == [
        *("<height>", "birthDate", "birthYear", "date_of_birth")
    ]
    assert data[other].x_attribute.to_dense().sum(dim=1).tolist() == [1, 1]
    again = MMKB(tmp_path, pair, ratio=0.5, val_ratio=0.0)[0]
    assert literals_of(again, other).text == ["1982-05-03", "1900"]


@pytest.mark.filterwarnings("ignore:Modality .* share no column")
def test_files_of_values_make_another_cache(tmp_path: Path) -> None:
    whole = mmkb(tmp_path)
    none = dict.fromkeys(("values_1.tsv", "values_2.tsv"))
    with pytest.warns(UserWarning, match="'attribute' is missing .* 'DB15K'"):
        without = mmkb(tmp_path, **none)
    assert "literals" not in without[0]
    assert without.processed_paths != whole.processed_paths
    other = mmkb(tmp_path, **{"values_2.tsv": "A\tbirthYear\t1983\n"})
    assert literals_of(other[0], "DB15K").text == ["1983"]


@pytest.mark.filterwarnings("ignore:Modality .* share no column")
def test_counts(raw: Path, tmp_path: Path) -> None:
    data = MMKB(tmp_path, "FB15K_DB15K", raw)[0]
    assert (data["FB15K"].num_nodes, data["DB15K"].num_nodes) == (14_951, 12_842)
    assert data["FB15K", "rel", "FB15K"].num_edges == 483_272
    assert data["DB15K", "rel", "DB15K"].num_edges == 89_197
    columns = data.column_uri["attribute"]
    listed = torch.tensor([uri.startswith("<http") for uri in columns])
    assert int(listed.sum()) == 116
    bag = data["FB15K"].x_attribute.to_dense()
    assert int(bag[:, listed].any(dim=1).sum()) == 12_493
    for kg, attributes, values in (("FB15K", 104, 29_394), ("DB15K", 225, 48_044)):
        found = literals_of(data, kg)
        assert found.attribute.unique().numel() == attributes
        assert len(found.text) == values
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
