"""Exports in SSSOM, as the package of the standard reads and validates them."""

import csv

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import pyg_ibmea
from pyg_ibmea.align import Alignment
from pyg_ibmea.data.readers.sssom import read_sssom

COUNT = 5
SOURCES = [
    *("http://purl.obolibrary.org/obo/MP_0000003", "http://k/a#b", "Zürich | Stadt"),
    *("http://k/", "_:b0"),
]
TARGETS = ["urn:isbn:1", "http://l/x/y", 'say "so"', "=z", "w"]
CONFIDENCE = [0.95, 0.9, 0.6, 0.5, 1.0]


@pytest.fixture
def matches():
    return Alignment(
        [("k", "l")],
        {"k": SOURCES, "l": TARGETS},
        source=range(COUNT),
        target=range(COUNT),
        runner_up=[-1] * COUNT,
        score=[0.5, 1.25, -0.5, 1.0, 0.1],
        margin=[0.25] * COUNT,
        confidence=CONFIDENCE,
        pair=[0] * COUNT,
        calibrated={("k", "l"): False},
    )


@pytest.fixture
def path(tmp_path, matches):
    labels = {"k": {SOURCES[2]: 'the "city"\tof Zürich'}, "l": {TARGETS[0]: "A book"}}
    with pytest.warns(UserWarning, match="left out 1 match about blank nodes"):
        return matches.save(tmp_path / "m.sssom.tsv", labels=labels)


def parts_of(path):
    """Metadata, by PyYAML, and rows, by the csv module."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    head = [line.removeprefix("#") for line in lines if line.startswith("#")]
    rows = csv.DictReader(lines[len(head) :], delimiter="\t")
    return yaml.safe_load("".join(head)), list(rows)


def expanded(curie, about):
    prefix, _, local = curie.partition(":")
    return about["curie_map"][prefix] + local


def test_columns(path):
    about, rows = parts_of(path)
    ends = [
        tuple(expanded(row[f"{end}_id"], about) for end in ("subject", "object"))
        for row in rows
    ]
    assert ends == [
        ("http://purl.obolibrary.org/obo/MP_0000003", "urn:isbn:1"),
        ("http://k/a#b", "http://l/x/y"),
        ("urn:x-entity:Z%C3%BCrich%20%7C%20Stadt", "urn:x-entity:say%20%22so%22"),
        ("http://k/", "urn:x-entity:%3Dz"),
    ]
    assert rows[0]["subject_id"] == "MP:0000003"  # As everyone writes it.
    kinds = ["exactMatch", "exactMatch", "closeMatch", "closeMatch"]
    assert [row["predicate_id"] for row in rows] == [f"skos:{kind}" for kind in kinds]
    assert [float(row["confidence"]) for row in rows] == CONFIDENCE[:-1]
    # A score beyond [0, 1] is no similarity.
    assert [row["similarity_score"] for row in rows] == ["0.500000", "", "", "1.000000"]
    assert rows[1]["other"] == "score 1.250000, margin 0.250000"
    assert {row["mapping_justification"] for row in rows} == {
        "semapv:CompositeMatching"
    }
    labels = [(row["subject_label"], row["object_label"]) for row in rows]
    assert labels[0] == ("", "A book")
    assert labels[2] == ('the "city" of Zürich', "")
    assert expanded(rows[0]["object_source"], about) == "urn:x-entity:l"


def test_metadata(path, matches, tmp_path):
    about, _ = parts_of(path)
    assert about["mapping_tool"] == "pyg_ibmea"
    assert about["mapping_tool_version"] == pyg_ibmea.__version__
    assert about["license"] == "https://w3id.org/sssom/license/unspecified"
    assert about["comment"] == "confidence that was not calibrated: k - l"
    # The same matches have the same identity, and others another.
    other = tmp_path / "other.sssom.tsv"
    with pytest.warns(UserWarning, match="blank"):
        matches.save(other)
    assert parts_of(other)[0]["mapping_set_id"] == about["mapping_set_id"]
    matches[:2].save(other)
    assert parts_of(other)[0]["mapping_set_id"] != about["mapping_set_id"]


# The package uses what its own requirements deprecate.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_package_of_the_standard_finds_nothing_wrong(path):
    pytest.importorskip("sssom")
    from sssom.parsers import parse_sssom_table
    from sssom.validators import validate

    found = parse_sssom_table(str(path))
    reports = validate(found, fail_on_error=True)
    assert reports
    assert all(not report.results for report in reports.values())
    assert len(found.df) == COUNT - 1
    rows = {
        found.converter.expand(row["subject_id"]): (
            found.converter.expand(row["object_id"]),
            row["confidence"],
            row["subject_label"],
        )
        for _, row in found.df.iterrows()
    }
    assert rows["http://k/a#b"] == ("http://l/x/y", 0.9, "")
    city = rows["urn:x-entity:Z%C3%BCrich%20%7C%20Stadt"]
    assert city == ("urn:x-entity:say%20%22so%22", 0.6, 'the "city" of Zürich')


def test_namespaces_as_numerous_as_entities_are_none(tmp_path):
    names = [f"http://x/{i}/name" for i in range(150)]
    matches = Alignment(
        [("k", "l")],
        {"k": names, "l": names},
        source=range(150),
        target=range(150),
        runner_up=[-1] * 150,
        score=[0.5] * 150,
        margin=[0.0] * 150,
        confidence=[0.5] * 150,
        pair=[0] * 150,
    )
    about, rows = parts_of(matches.save(tmp_path / "m.sssom.tsv"))
    assert about["curie_map"].keys() == {"semapv", "skos", "x-entity", "ns1"}
    assert [expanded(row["object_id"], about) for row in rows] == names


@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_name_is_read_back(tmp_path_factory, names):
    names = [name for name in names if not name.startswith("_:")] or ["a"]
    count = len(names)
    matches = Alignment(
        [("k", "l")],
        {"k": names, "l": names},
        source=range(count),
        target=range(count),
        runner_up=[-1] * count,
        score=[0.5] * count,
        margin=[0.0] * count,
        confidence=[0.5] * count,
        pair=[0] * count,
    )
    path = tmp_path_factory.mktemp("sssom") / "m.sssom.tsv"
    matches.save(path, exact_from=0.5)
    assert list(read_sssom(path)) == [(name, name) for name in names]
