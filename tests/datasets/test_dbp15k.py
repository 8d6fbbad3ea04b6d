from __future__ import annotations

import copy
import time
from collections import Counter
from pathlib import Path

import pytest
import torch

from pyg_ibmea.datasets import DBP15K


@pytest.fixture(scope="module")
def raw() -> Path:
    published = Path(__file__).parents[3] / "shared" / "data"
    if not (published / "DBP15K" / "zh_en" / "ent_ids_1").is_file():
        pytest.skip(f"the published files of DBP15K are not in {published / 'DBP15K'}")
    return published / "DBP15K"


def test_unknown_pair(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DBP15K has no pair 'en_zh'; there are 'zh_"):
        DBP15K(tmp_path, "en_zh")


def test_missing_files_name_the_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"raw/fr_en; .*nju-websoft/JAPE"):
        DBP15K(tmp_path, "fr_en")


@pytest.mark.filterwarnings("ignore:Modality 'relation'.*share no column")
def test_published_counts_twice(raw: Path, tmp_path: Path) -> None:
    first = DBP15K(tmp_path, "zh_en", raw)[0]
    zh, en, links = first["zh"], first["en"], first["zh", "same_as", "en"]
    assert (zh.num_nodes, en.num_nodes) == (19_388, 19_572)
    assert first["zh", "rel", "zh"].num_edges == 70_414
    assert first["en", "rel", "en"].num_edges == 95_142
    assert [len(uris) for uris in first.relation_uri.values()] == [1701, 1323]
    assert links.num_edges == 15_000
    masks = links.train_mask, links.val_mask, links.test_mask
    assert [int(mask.sum()) for mask in masks] == [4050, 450, 10_500]
    assert zh.x_relation.shape == (19_388, 1000)
    assert first.validate()

    start = time.perf_counter()
    second = DBP15K(tmp_path, "zh_en", raw)[0]
    assert time.perf_counter() - start < 1.5
    for store, other in zip(first.stores[1:], second.stores[1:], strict=True):
        assert list(store.keys()) == list(other.keys())
        for key in store:
            if isinstance(store[key], torch.Tensor):
                assert torch.equal(
                    store[key].to_dense() if store[key].is_sparse else store[key],
                    other[key].to_dense() if other[key].is_sparse else other[key],
                )
    assert first.uri == second.uri
    assert copy.deepcopy(second).validate()


def test_relations_share_no_uri(raw: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="'relation': the graphs 'zh', 'en' share no"):
        data = DBP15K(tmp_path, "zh_en", raw, modalities=("relation",))[0]
    # Recount one side from the file: relation ids 0 to 1700 are the Chinese ones.
    counts: Counter[int] = Counter()
    for side in (1, 2):
        for line in (raw / "zh_en" / f"triples_{side}").read_text().splitlines():
            counts[int(line.split()[1])] += 1
    uris = data.relation_uri["zh"] + data.relation_uri["en"]
    kept = sorted(counts, key=lambda r: (-counts[r], uris[r]))[:1000]
    total = data["zh"].x_relation.values().sum() + data["en"].x_relation.values().sum()
    assert int(total) == 2 * sum(counts[r] for r in kept)


@pytest.mark.filterwarnings("ignore:Modality 'relation'.*share no column")
def test_attributes_equal_a_recount_of_the_files(raw: Path, tmp_path: Path) -> None:
    data = DBP15K(tmp_path, "zh_en", raw)[0]
    has: dict[str, dict[str, set[str]]] = {"zh": {}, "en": {}}
    for side, name in ((1, "zh"), (2, "en")):
        text = (raw / "zh_en" / f"training_attrs_{side}").read_text("utf-8")
        for line in text.strip("\n").split("\n"):
            uri, *attributes = line.split("\t")
            has[name][uri] = set(attributes)
    counts = Counter(a for side in has.values() for row in side.values() for a in row)
    kept = sorted(counts, key=lambda a: (-counts[a], a))[:1000]
    column = {attribute: i for i, attribute in enumerate(kept)}
    for name in ("zh", "en"):
        rows, columns = data[name].x_attribute.indices().tolist()
        cells = {(data.uri[name][r], c) for r, c in zip(rows, columns, strict=True)}
        assert cells == {
            (uri, column[a])
            for uri, attributes in has[name].items()
            for a in attributes & column.keys()
        }
        assert int(data[name].mask_attribute.sum()) == len({uri for uri, _ in cells})
