from __future__ import annotations

import copy
import pickle
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.loader import NeighborLoader
from torch_geometric.typing import WITH_PYG_LIB, WITH_TORCH_SPARSE

from pyg_ibmea.data import KnowledgeGraph, to_hetero_data
from pyg_ibmea.data.gaps import describe_gaps
from pyg_ibmea.problem import literals_of

LINKS = torch.tensor([[0, 2], [1, 0]])
MASKS = tuple(
    torch.tensor(mask) for mask in ([True, False], [False] * 2, [False, True])
)


def graph(name: str, **changes: Any) -> KnowledgeGraph:
    image = (
        torch.tensor([[1.0, 2], [0, 0], [3, 4]]),
        torch.tensor([True, False, True]),
    )
    parts: dict[str, Any] = {
        "entities": [f"{name}/{i}" for i in range(3)],
        "relations": ["in", "of"],
        "triples": torch.tensor([[0, 1, 2], [1, 0, 2]]),
        "attributes": torch.tensor([[0, 2], [0, 0]]),
        "attribute_names": ["born"],
        "features": {"image": image},
    }
    return KnowledgeGraph(name, **{**parts, **changes})


def problem(*graphs: KnowledgeGraph, **options: Any) -> HeteroData:
    links = {(a.name, b.name): LINKS for a, b in pairwise(graphs)}
    return to_hetero_data(graphs, links, **options)


def without_triples(name: str) -> KnowledgeGraph:
    return graph(name, triples=torch.empty(0, 3, dtype=torch.long))


def assert_equal(one: HeteroData, other: HeteroData) -> None:
    assert one.uri == other.uri
    assert one.relation_uri == other.relation_uri
    assert one.metadata() == other.metadata()
    for a, b in zip(one.stores[1:], other.stores[1:], strict=True):
        assert list(a.keys()) == list(b.keys())
        for key, value in a.items():
            if isinstance(value, torch.Tensor) and value.is_sparse:
                assert b[key].is_coalesced()
                assert torch.equal(value.to_dense(), b[key].to_dense())
            elif isinstance(value, torch.Tensor):
                assert torch.equal(value, b[key])
            else:
                assert value == b[key]


def test_contract() -> None:
    data = problem(graph("zh"), graph("en"), splits={("zh", "en"): MASKS})
    assert data.validate()
    assert data.node_types == ["zh", "en"]
    assert data.uri == {"zh": ["zh/0", "zh/1", "zh/2"], "en": ["en/0", "en/1", "en/2"]}
    assert data.relation_uri["en"] == ["in", "of"]
    for name in ("zh", "en"):
        store = data[name]
        assert store.num_nodes == 3
        assert data[name, "rel", name].edge_index.tolist() == [[0, 1], [2, 2]]
        assert data[name, "rel", name].edge_type.tolist() == [1, 0]
        assert store.x_relation.to_dense().tolist() == [[0, 1], [1, 0], [1, 1]]
        assert store.x_relation.is_coalesced()
        assert store.x_attribute.to_dense().tolist() == [[1], [0], [1]]
        assert store.mask_attribute.tolist() == [True, False, True]
        assert store.x_image.tolist() == [[1, 2], [0, 0], [3, 4]]
        assert store.mask_image.tolist() == [True, False, True]
    links = data["zh", "same_as", "en"]
    assert torch.equal(links.edge_index, LINKS)
    for part, mask in zip(("train", "val", "test"), MASKS, strict=True):
        assert torch.equal(links[f"{part}_mask"], mask)


def test_survives_copies_and_files(tmp_path: Path) -> None:
    data = problem(graph("zh"), graph("en"), splits={("zh", "en"): MASKS})
    assert_equal(copy.deepcopy(data), data)
    assert_equal(copy.copy(data).to("cpu"), data)
    torch.save(data, tmp_path / "data.pt")
    assert_equal(torch.load(tmp_path / "data.pt", weights_only=False), data)
    torch.save(data.to_dict(), tmp_path / "dict.pt")
    loaded = torch.load(tmp_path / "dict.pt", weights_only=True)
    assert_equal(HeteroData.from_dict(loaded), data)


def test_three_graphs_and_odd_names() -> None:
    data = problem(graph("type"), graph("a.b"), graph("c"), modalities=("image",))
    assert data.validate()
    assert [t for t in data.edge_types if t[1] == "same_as"] == [
        ("type", "same_as", "a.b"),
        ("a.b", "same_as", "c"),
    ]
    assert "x_relation" not in data["c"]


def test_modality_on_one_side_only() -> None:
    sparse = (torch.eye(3).to_sparse(), torch.ones(3, dtype=torch.bool))
    one = graph("zh", features={**graph("zh").features, "tags": sparse})
    other = graph("en", features={}, attributes=None, attribute_names=[])
    with pytest.warns(UserWarning, match="of 'en'") as caught:
        data = problem(one, other)
    said = "\n".join(str(warning.message) for warning in caught)
    for modality in ("attribute", "image", "tags"):
        assert f"Modality '{modality}' is missing for every entity of 'en'" in said
        x, expected = data["en"][f"x_{modality}"], data["zh"][f"x_{modality}"]
        assert x.shape == expected.shape
        assert x.layout == expected.layout
        assert not x.to_dense().any()
        assert not data["en"][f"mask_{modality}"].any()
    assert data.validate()


def test_modality_absent_on_both_sides() -> None:
    bare = [
        graph(name, attributes=None, attribute_names=[], features={})
        for name in ("zh", "en")
    ]
    with pytest.raises(
        ValueError, match="'attribute' is absent from every graph; ther"
    ):
        problem(*bare, modalities=("relation", "attribute"))
    with pytest.raises(ValueError, match=r"'image' is absent .* there are 'relation'"):
        problem(*bare, modalities=("image",))


def test_graph_without_triples() -> None:
    with pytest.warns(UserWarning, match=r"'en' has no triples|'relation' is missing"):
        data = problem(graph("zh"), without_triples("en"))
    assert data["en", "rel", "en"].edge_index.shape == (2, 0)
    assert data.validate()
    with pytest.raises(ValueError, match="'relation' is absent"):
        problem(without_triples("zh"), without_triples("en"), modalities=("relation",))


def test_no_shared_column_is_told() -> None:
    graphs = graph("zh", relations=["r", "s"]), graph("en", relations=["t", "u"])
    with pytest.warns(UserWarning, match="'zh', 'en' share no column"):
        data = problem(*graphs)
    assert len(describe_gaps(data)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem(*graphs, warn=False)


@pytest.mark.parametrize(
    ("graphs", "options", "message"),
    [
        (["zh"], {}, "two or more with"),
        (["zh", "zh"], {}, "two or more with different names"),
        (["zh", "en"], {"links": {("zh", "fr"): LINKS}}, "name a graph 'fr'"),
        (["zh", "en"], {"links": {("zh", "en"): LINKS + 1}}, r"'zh' outside 0\.\.2"),
        (["zh", "en"], {"links": {("zh", "en"): LINKS[0]}}, r"must be long \[2, L\]"),
        (["zh", "en"], {"splits": {("en", "zh"): MASKS}}, "no links from 'en'"),
        (
            ["zh", "en"],
            {"splits": {("zh", "en"): [mask[:1] for mask in MASKS]}},
            r"train mask must be bool \[2\]",
        ),
    ],
)
def test_parts_that_do_not_fit(
    graphs: list[str], options: dict[str, Any], message: str
) -> None:
    options = {"links": {("zh", "en"): LINKS}, **options}
    with pytest.raises(ValueError, match=message):
        to_hetero_data([graph(name) for name in graphs], **options)


def test_features_of_different_width() -> None:
    narrow = (torch.ones(3, 1), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="'image' must have the same width"):
        problem(graph("zh"), graph("en", features={"image": narrow}))


def saved_and_loaded(data: HeteroData, folder: Path) -> HeteroData:
    torch.save(data.to_dict(), folder / "data.pt")
    return HeteroData.from_dict(torch.load(folder / "data.pt", weights_only=True))


def batch_of(data: HeteroData) -> HeteroData:
    if not (WITH_PYG_LIB or WITH_TORCH_SPARSE):
        pytest.skip("loaders need pyg-lib or torch-sparse")
    loader = NeighborLoader(data, [2], input_nodes=("en", torch.tensor([0])))
    batch: HeteroData = next(iter(loader))
    return batch


def test_known_values_are_literals() -> None:
    en = graph("en", values=["", "1999"])
    data = problem(en, graph("nl"))
    found = literals_of(data, "en")
    assert (found.entity.tolist(), found.attribute.tolist()) == ([2], [0])
    assert (found.text, found.attribute_uri) == (["1999"], ["born"])
    assert literals_of(data, "nl").text == []
    both = literals_of(problem(graph("en", values=["1", "2"]), graph("nl")), "en")
    assert (both.entity.tolist(), both.text) == ([0, 2], ["1", "2"])


def test_without_values_there_are_no_literals() -> None:
    assert "literals" not in problem(graph("en"), graph("nl"))
    assert "literals" not in problem(graph("en", values=["", ""]), graph("nl"))


@pytest.mark.parametrize(
    ("modalities", "there"),
    [(["relation"], False), (["image", "attribute"], True), (None, True)],
)
def test_modalities_without_attributes_have_no_literals(
    modalities: list[str] | None, there: bool
) -> None:
    data = problem(
        graph("en", values=["1", "2"]), graph("nl"), modalities=modalities, warn=False
    )
    assert ("literals" in data) == there


@pytest.mark.filterwarnings("ignore:Using 'NeighborSampler' without:UserWarning")
@pytest.mark.parametrize(
    "changed",
    [
        copy.copy,
        copy.deepcopy,
        lambda data: data.to("cpu"),
        lambda data: pickle.loads(pickle.dumps(data)),
        batch_of,
        saved_and_loaded,
    ],
)
def test_literals_stay_as_they_are(changed: Any, tmp_path: Path) -> None:
    data = problem(graph("en", values=["", "1999"]), graph("nl"))
    arguments = (tmp_path,) if changed is saved_and_loaded else ()
    found = literals_of(changed(data, *arguments), "en")
    assert (found.entity.tolist(), found.attribute.tolist()) == ([2], [0])
    assert (found.text, found.attribute_uri) == (["1999"], ["born"])
