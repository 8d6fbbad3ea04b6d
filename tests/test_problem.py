import copy

import pytest
import torch
from three_graphs import three_graphs
from torch_geometric.data import HeteroData
from torch_geometric.loader import NeighborLoader

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import (
    add_validation_pairs,
    alignment_pair,
    check_names,
    check_problem,
    entity_counts,
    feature_channels,
    first_numbers,
    labels_of,
    linked_pairs,
    links_of,
    literals_of,
    modalities_of,
    pair_problems,
    relation_numbers,
    seed_pairs,
    set_labels,
)


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=120)[0]


def test_links_of_the_parts(data):
    parts = [links_of(data, part) for part in ("train", "val", "test")]
    together = torch.cat(parts, dim=1).t().tolist()
    links = data["source", "same_as", "target"].edge_index.t().tolist()
    assert sorted(together) == sorted(links)
    with pytest.raises(ValueError, match="got 'dev'"):
        links_of(data, "dev")


def test_pair(data):
    assert alignment_pair(data) == ("source", "target")
    [(pair, problem)] = pair_problems(data)
    assert pair == ("source", "target")
    assert problem is data
    del data["source", "same_as", "target"]
    assert linked_pairs(data) == []
    with pytest.raises(ValueError, match="one pair of linked graphs is needed"):
        alignment_pair(data)
    with pytest.raises(ValueError, match="no graphs are linked by 'same_as'"):
        list(pair_problems(data))


def test_problem_of_each_pair():
    data = three_graphs()
    with pytest.raises(ValueError, match=r"one pair .* pair_problems"):
        alignment_pair(data)
    problems = dict(pair_problems(data))
    assert list(problems) == linked_pairs(data)
    assert len(linked_pairs(data)) == 3  # The problem is as it was.
    for pair, problem in problems.items():
        assert alignment_pair(problem) == pair
        store = data[pair[0], "same_as", pair[1]]
        wanted = store.edge_index[:, store.train_mask]
        assert links_of(problem, "train").equal(wanted)
        assert seed_pairs(data)[pair].equal(wanted)
        assert problem.node_types == data.node_types
        assert problem["a"].x_relation is data["a"].x_relation
    known = add_validation_pairs(data)
    assert all(links_of(p, "val").size(1) == 0 for _, p in pair_problems(known))
    assert all(links_of(p, "val").size(1) > 0 for p in problems.values())


def test_validation_pairs_become_training_pairs(data):
    before = {part: links_of(data, part).clone() for part in ("train", "val", "test")}
    known = add_validation_pairs(data)
    both = torch.cat([before["train"], before["val"]], dim=1).t().tolist()
    assert sorted(links_of(known, "train").t().tolist()) == sorted(both)
    assert links_of(known, "val").size(1) == 0
    assert links_of(known, "test").equal(before["test"])
    for part, links in before.items():
        assert links_of(data, part).equal(links)


@pytest.fixture
def small():
    data = HeteroData()
    for kg, size in (("zh", 5), ("type", 6)):
        data[kg].num_nodes = size
        data[kg].x_image = torch.randn(size, 8)
        data[kg].mask_image = torch.ones(size, dtype=torch.bool)
        data[kg].x_attribute = torch.ones(size, 7).to_sparse()
        data[kg].mask_attribute = torch.ones(size, dtype=torch.bool)
    # A parallel edge, one both ways and a self-loop.
    data["zh", "rel", "zh"].edge_index = torch.tensor([[0, 1, 2, 1], [1, 2, 3, 0]])
    data["type", "rel", "type"].edge_index = torch.tensor([[0, 1, 1, 4], [1, 2, 2, 4]])
    # The third triple of zh is there twice.
    data["zh", "rel", "zh"].edge_type = torch.tensor([0, 1, 1, 1])
    data["type", "rel", "type"].edge_type = torch.tensor([2, 0, 1, 1])
    data["zh", "same_as", "type"].edge_index = torch.tensor([[0, 1], [0, 1]])
    return data


def test_modalities_must_fit_both_graphs(small):
    assert feature_channels(small) == {"image": 8, "attribute": 7}
    small["type"].x_image = torch.zeros(6, 9)
    with pytest.raises(ValueError, match=r"9 channels in graph 'type'"):
        feature_channels(small)
    del small["type"].x_image
    with pytest.raises(ValueError, match="graph 'type' needs both x_image and mask"):
        feature_channels(small)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize(
    "form",
    [
        lambda x: x,
        lambda x: x.double(),
        lambda x: x.bfloat16(),
        lambda x: x.to_sparse(),
        lambda x: x.double().to_sparse(1),
    ],
)
@pytest.mark.parametrize("masked", [True, False])
def test_features_are_finite(small, value, form, masked):
    x = torch.randn(6, 8)
    for row in (2, 5):
        x[row, 3] = value
    small["type"].x_image = form(x)
    small["type"].mask_image[[2, 5]] = masked
    message = (
        r"data\['type'\].x_image holds NaN, infinity or numbers too large for float32 "
        r"in 2 of 6 rows, first in that of entity {}; set such rows to zero and "
        "mask_image to False there"
    )
    with pytest.raises(ValueError, match=message.format(2)):
        feature_channels(small)
    small.uri = {"zh": list("abcde"), "type": list("uvwxyz")}
    for use in (feature_channels, IBMEA.from_data):
        with pytest.raises(ValueError, match=message.format("'w'")):
            use(small)
    small["type"].x_image = form(x.nan_to_num(0, 0, 0).clamp(-9, 9))
    assert feature_channels(small)["image"] == 8


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.long, torch.half])
def test_finite_features_of_any_type(small, dtype):
    small["type"].x_image = torch.full((6, 8), 250).to(dtype)
    small["zh"].x_image = torch.zeros(5, 8).to(dtype).to_sparse()
    assert feature_channels(small)["image"] == 8
    small["type"].x_image = torch.full((6, 8), torch.finfo(torch.half).max).half()
    assert feature_channels(small)["image"] == 8


def test_relations_are_numbered_by_uri_over_all_graphs(small):
    ids, total = relation_numbers(small)
    assert (ids["zh"].tolist(), ids["type"].tolist(), total) == ([0, 1], [2, 3, 4], 5)
    small.relation_uri = {"zh": ["a", "b"], "type": ["b", "c", "a"]}
    ids, total = relation_numbers(small)
    assert (ids["zh"].tolist(), ids["type"].tolist(), total) == ([0, 1], [1, 2, 0], 3)
    small.relation_uri = {"zh": ["a"], "type": ["b", "c", "a"]}
    with pytest.raises(ValueError, match="'zh' has a triple of relation 1, but lists"):
        relation_numbers(small)


def broken(**changes):
    """Two graphs of which one thing is not as it should be."""
    data = SyntheticMMKG(num_entities=60)[0]
    links, triples = (
        data["source", "same_as", "target"],
        data["source", "rel", "source"],
    )
    for where, change in changes.items():
        store = {"links": links, "triples": triples}.get(where, data["source"])
        change(store)
    return data


def set_to(key, value):
    return lambda store: setattr(store, key, value(store[key]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"node": set_to("num_nodes", lambda _: None)},
            r"\['source'\] needs num_nodes",
        ),
        (
            {"node": set_to("mask_name", lambda mask: mask.long())},
            r"mask_name must be bool \[\d+\], got torch.int64",
        ),
        (
            {"node": set_to("x_image", lambda x: x[:-1])},
            r"\['source'\].x_image has (\d+) rows for \d+ entities",
        ),
        (
            {"node": set_to("x_image", lambda x: x.numpy())},
            r"\['source'\].x_image must be a tensor, got ndarray; torch.from_numpy",
        ),
        (
            {"node": set_to("x_image", lambda x: x.to_sparse_csr())},
            r"x_image must be .* dense or sparse_coo, got torch.float32 sparse_csr",
        ),
        (
            {"node": set_to("x_image", lambda x: x + 1j)},
            r"x_image must be .* real numbers, .* got torch.complex64 strided",
        ),
        (
            {"triples": set_to("edge_type", lambda kind: kind[:-1])},
            r"'rel', 'source'\] needs edge_index \[2, E\] and edge_type \[E\]",
        ),
        (
            {"triples": set_to("edge_index", lambda ids: ids + 1000)},
            r"'rel', 'source'\].edge_index names node 10\d\d, but there are",
        ),
        (
            {"links": set_to("edge_index", lambda ids: ids.float())},
            r"'same_as', 'target'\].edge_index must be long \[2, L\]",
        ),
        (
            {"links": set_to("edge_index", lambda ids: -ids - 1)},
            r"'same_as', 'target'\].edge_index names node -\d+",
        ),
        (
            {"links": lambda store: store.pop("val_mask")},
            r"val_mask must be bool \[\d+\], got none; .*set_split",
        ),
        (
            {"links": set_to("train_mask", lambda mask: mask | True)},
            "has a link in more than one part of the split",
        ),
    ],
)
def test_what_is_wrong_with_a_problem_is_named(changes, message):
    check_problem(broken())
    with pytest.raises(ValueError, match=message):
        check_problem(broken(**changes))


def test_a_problem_has_graphs_uris_and_links():
    data = HeteroData()
    data["en"].num_nodes = 2
    with pytest.raises(ValueError, match=r"two or more graphs, .* got \['en'\]"):
        check_problem(data)
    data = broken()
    data.uri = {**data.uri, "target": ["a"]}
    with pytest.raises(ValueError, match=r"data.uri\['target'\] must name all"):
        check_problem(data)
    data = broken()
    del data["source", "same_as", "target"]
    with pytest.raises(ValueError, match="no graphs are linked; store"):
        check_problem(data)


def test_entities_are_numbered_graph_after_graph(small):
    assert entity_counts(small) == {"zh": 5, "type": 6}
    assert first_numbers({"a": 2, "b": 0, "c": 3}) == {"a": 0, "b": 2, "c": 2}
    assert modalities_of(small) == ["image", "attribute"]


def renamed(data, change):
    """The same data with other names of graphs."""
    other = HeteroData()
    for store in (*data.node_stores, *data.edge_stores):
        key = store._key
        names = (change(key),) if isinstance(key, str) else map(change, key)
        names = tuple(names)
        other[names[0] if len(names) == 1 else names].update(dict(store))
    return other


@pytest.mark.parametrize("name", ["uri", "", "a\nb", "\udc80"])
def test_names_that_cannot_be_used_are_no_problem_of_the_model(name):
    data = SyntheticMMKG(num_entities=60)[0]
    check_problem(renamed(data, lambda kg: kg.replace("source", "a/b")))
    with pytest.raises(ValueError, match=r"graph name|a graph needs a name"):
        check_problem(renamed(data, lambda kg: name if kg == "source" else kg))


def test_no_two_pairs_of_graphs_have_one_title():
    check_names(["zh - en", "en", "zh", "en - fr"])
    check_names(["a", "a", "b - a"])
    with pytest.raises(ValueError, match="are both 'a - b - c' in the figures"):
        check_names(iter(["a", "c", "b - c", "d", "a - b"]))


def test_entities_that_no_file_can_hold_are_refused():
    data = SyntheticMMKG(num_entities=60)[0]
    data.uri["source"][7] = "\U0001f600\u00e9"
    check_problem(data)
    data.uri["source"][7] = "caf\udce9"
    with pytest.raises(ValueError, match=r"data.uri\['source'\]: 'caf\\udce9' is not"):
        check_problem(data)


def test_features_of_the_structure_are_refused_not_ignored():
    data = SyntheticMMKG(num_entities=60)[0]
    for kg in data.node_types:
        data[kg].x_graph, data[kg].mask_graph = data[kg].x_image, data[kg].mask_image
    for check in (check_problem, IBMEA.from_data):
        with pytest.raises(ValueError, match="modality name 'graph' is taken"):
            check(data)


def test_labels_survive_files_copies_and_devices(data, tmp_path):
    kg = "source"
    given = [[f"name {i}", "same  for\nall"][: i % 3] for i in range(120)]
    set_labels(data, kg, given)
    expected = [tuple(" ".join(text.split()) for text in labels) for labels in given]
    torch.save(data.to_dict(), tmp_path / "data.pt")
    loaded = torch.load(tmp_path / "data.pt", weights_only=True)
    for found in (
        data,
        copy.deepcopy(data),
        copy.copy(data),
        data.to("cpu"),
        HeteroData.from_dict(loaded),
    ):
        texts = found.labels[kg]
        assert [tuple(t.split("\n")) if t else () for t in texts] == expected
    assert labels_of(data, kg) == expected
    assert labels_of(data, "target") == [()] * 120
    check_problem(data)


@pytest.mark.filterwarnings("ignore:Using 'NeighborSampler'")
def test_labels_survive_loaders(data):
    pytest.importorskip("torch_sparse", reason="neighbours are sampled by torch-sparse")
    set_labels(data, "source", [[str(i)] for i in range(120)])
    loader = NeighborLoader(data, [2], input_nodes=("source", torch.arange(4)))
    assert next(iter(loader)).labels == data.labels


def test_labels_that_do_not_fit_are_refused(data):
    with pytest.raises(ValueError, match="a text for each of the 120 entities"):
        set_labels(data, "source", [["a"]])
    with pytest.raises(ValueError, match="must be a list of texts, got 'Paris'"):
        set_labels(data, "source", ["Paris"] * 120)
    with pytest.raises(ValueError, match="is not UTF-8"):
        set_labels(data, "source", [["\udc80"]] * 120)
    data.labels = {"source": [["a"]] * 120}
    with pytest.raises(ValueError, match="must hold texts, got"):
        check_problem(data)
    data.labels = {"nowhere": []}
    with pytest.raises(ValueError, match="names the graph 'nowhere'"):
        check_problem(data)


def test_no_graph_can_be_called_labels():
    with pytest.raises(ValueError, match="'labels' is taken"):
        check_names(["labels"])


LITERALS = {
    "entity": torch.tensor([3, 3, 0]),
    "attribute": torch.tensor([0, 1, 0]),
    "text": ["1887-03-31", "300 m", "1799"],
    "attribute_uri": ["opened", "height"],
}


def test_literals(data):
    data.literals = {"source": LITERALS}
    check_problem(data)
    found = literals_of(data, "source")
    assert found.entity.tolist() == [3, 3, 0]
    assert [found.attribute_uri[i] for i in found.attribute.tolist()] == [
        *("opened", "height", "opened")
    ]
    assert found.text == LITERALS["text"]
    none = literals_of(data, "target")
    assert none.entity.dtype == none.attribute.dtype == torch.long
    assert [len(part) for part in none] == [0, 0, 0, 0]
    assert len(literals_of(three_graphs(), "a").text) == 0


@pytest.mark.parametrize(
    ("literals", "message"),
    [
        ([LITERALS], "data.literals must be a dictionary by graph .* got <class"),
        ({"nl": LITERALS}, r"must be a dictionary by graph .* got \['nl'\]"),
        ({"source": {"text": []}}, r"must hold entity, .* got \['text'\]"),
        (
            {"source": {**LITERALS, "text": ["1"]}},
            r"\['entity'\] must be long \[1\], one for each text, got .* \[3\]",
        ),
        (
            {"source": {**LITERALS, "entity": torch.tensor([3.0, 3, 0])}},
            r"\['entity'\] must be long \[3\].* got torch.float32",
        ),
        (
            {"source": {**LITERALS, "entity": torch.tensor([3, 120, 0])}},
            r"data.literals\['source'\] names entity 120 of 120",
        ),
        (
            {"source": {**LITERALS, "attribute": torch.tensor([0, -1, 2])}},
            r"names attribute -1 of 2",
        ),
    ],
)
def test_wrong_literals_are_named(data, literals, message):
    data["source"].num_nodes = 120
    data.literals = literals
    with pytest.raises(ValueError, match=message):
        check_problem(data)
