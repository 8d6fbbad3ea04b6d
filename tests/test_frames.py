"""Data frames in, matches out."""

import random

import pandas
import pytest

import pyg_ibmea
from pyg_ibmea.datasets import GraphFiles, MMKGPair
from pyg_ibmea.problem import labels_of, literals_of, seed_pairs

COUNT = 60
# Columns of other names have nothing in common before a training.
pytestmark = pytest.mark.filterwarnings("ignore:Modality 'attribute'")


@pytest.fixture(scope="module")
def records() -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """Two tables of the same people, who are told apart by numbers and dates only."""
    draw = random.Random(0)
    heights = draw.sample(range(1500, 2000), COUNT)
    born = pandas.to_datetime(
        [f"{1900 + i}-{i % 12 + 1:02}-{i % 28 + 1:02}" for i in range(COUNT)]
    )
    ours = pandas.DataFrame(
        {
            "id": [f"a{i}" for i in range(COUNT)],
            "height": [f"{height / 10} cm" for height in heights],
            "born": born,
            "note": [None] * COUNT,
        }
    )
    theirs = pandas.DataFrame(
        {
            "key": [f"b{i}" for i in range(COUNT)],
            "size_in_m": [height / 1000 for height in heights],
            "birthday": born,
        }
    )
    order = draw.sample(range(COUNT), COUNT)
    return ours, theirs.iloc[order].set_index("key")


def right(found: pyg_ibmea.Alignment) -> float:
    return sum(m.source[1:] == m.target[1:] for m in found) / len(found)


def test_numbers_and_dates_of_columns_are_evidence(records) -> None:
    data = MMKGPair.from_frames(*records, names=("ours", "theirs"))[0]
    literals = literals_of(data, "ours")
    assert literals.attribute_uri == ["height", "born"]
    assert len(literals.text) == 2 * COUNT
    found = pyg_ibmea.align_frames(*records, training=False)
    assert len(found) > 0.9 * COUNT
    assert right(found) > 0.95  # By chance, one in sixty.


def test_known_pairs_teach_and_have_no_row(records) -> None:
    links = pandas.DataFrame({"ours": [f"a{i}" for i in range(30)]})
    links["theirs"] = links["ours"].str.replace("a", "b")
    found = pyg_ibmea.align_frames(
        *records,
        links,
        names=("ours", "theirs"),
        progress=False,
        device="cpu",
        epochs=4,
        graph_channels=16,
        refits=1,
        refit_epochs=2,
    )
    frame = found.to_pandas()
    assert set(frame["source"]) == {f"a{i}" for i in range(30, COUNT)}
    assert set(frame["source_graph"]) == {"ours"}
    assert right(found) > 0.8


def test_names_are_labels(records) -> None:
    ours = {"entities": {"key": [1, 2], "called": ["Zug", ["Bern", "Berne"]]}}
    ours |= {"id": "key", "label": "called"}
    triples = {"head": ["x"], "relation": ["in"], "tail": ["y"]}
    theirs = {"triples": triples}
    theirs["attributes"] = {"e": ["x"], "a": ["name"], "v": ["Zug"]}
    with pytest.warns(UserWarning, match="'source' has no triples"):
        data = MMKGPair.from_frames(ours, theirs, [(1, "x")], val_ratio=0)[0]
    assert labels_of(data, "source") == [("Zug",), ("Bern", "Berne")]
    assert labels_of(data, "target") == [("Zug",), ()]
    assert next(iter(seed_pairs(data).values())).tolist() == [[0], [0]]


def test_columns_that_both_frames_have_are_named_once() -> None:
    ours = {"key": [1, 2], "called": ["Emma", "Ulysses"], "pages": [474, 730]}
    theirs = {"key": ["x", "y"], "called": ["Ulysses", "Emma"], "length": [730, 474]}
    found = pyg_ibmea.align_frames(
        pandas.DataFrame(ours), theirs, id="key", label="called", training=False
    )
    assert {(m.source, m.target) for m in found} == {("1", "y"), ("2", "x")}
    with pytest.raises(TypeError, match="id of a frame that is given with its"):
        pyg_ibmea.align_frames({"entities": ours}, theirs, id="key", training=False)


def test_what_has_no_effect_is_refused(records) -> None:
    with pytest.raises(ValueError, match="links, epochs would have no effect"):
        pyg_ibmea.align_frames(*records, [("a1", "b1")], training=False, epochs=3)
    with pytest.raises(ValueError, match="'nobody', which is not in graph 'target'"):
        pyg_ibmea.align_frames(*records, [("a1", "nobody")])


def test_a_frame_in_the_place_of_a_file_is_a_sentence(records) -> None:
    ours, theirs = records
    told = "must be the path of a file, got a DataFrame; MMKGPair.from_frames takes"
    with pytest.raises(TypeError, match=f"triples {told}"):
        MMKGPair.from_tables({"triples": ours}, {"triples": theirs}, "links.tsv")
    with pytest.raises(TypeError, match=f"links {told}"):
        MMKGPair.from_tables({"triples": "a.tsv"}, {"triples": "b.tsv"}, ours)
    with pytest.raises(TypeError, match=f"source {told}"):
        MMKGPair.from_rdf(ours, theirs, "links.tsv")
    with pytest.raises(TypeError, match=f"graph 'en': entities {told}"):
        GraphFiles("en", entities=ours)
