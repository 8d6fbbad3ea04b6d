"""Which of several matches a cardinality allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import Alignment

PAIRS = [("zh", "en"), ("zh", "ja")]


def alignment(rows):
    """From pair, source, target and confidence of each row."""
    pair, source, target, confidence = ([*c] for c in zip(*rows, strict=True))
    uris = {kg: [f"{kg}{i}" for i in range(5)] for kg in ("zh", "en", "ja")}
    return Alignment(
        PAIRS, uris, source=source, target=target, runner_up=[-1] * len(rows),
        score=confidence, margin=[0.0] * len(rows), confidence=confidence, pair=pair,
    )  # fmt: skip


def brute(rows, cardinality):
    """One row after the other, the surest first."""
    order = sorted(range(len(rows)), key=lambda row: -rows[row][3])
    kept = []
    for row in order:
        pair, source, target, _ = rows[row]
        taken = [(rows[k][0], rows[k][1]) for k in kept]
        given_to = [(rows[k][0], rows[k][2]) for k in kept]
        if cardinality in ("one-to-one", "many-to-one") and (pair, source) in taken:
            continue
        if cardinality in ("one-to-one", "one-to-many") and (pair, target) in given_to:
            continue
        kept.append(row)
    return sorted(kept)


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 4),
                  st.sampled_from([0.0, 0.25, 0.5, 0.75])),
        min_size=1, max_size=25, unique_by=lambda row: row[:3],
    ),
    cardinality=st.sampled_from(
        ["one-to-one", "one-to-many", "many-to-one", "many-to-many"]
    ),
)  # fmt: skip
def test_by_brute_force(rows, cardinality):
    found = alignment(rows).with_cardinality(cardinality)
    kept = brute(rows, cardinality)
    columns = zip(found.pair, found.source, found.target, found.confidence, strict=True)
    assert [tuple(map(float, row)) for row in columns] == [
        tuple(map(float, rows[k])) for k in kept
    ]


def test_one_to_one_leaves_no_entity_twice():
    generator = np.random.default_rng(0)
    rows = {(0, int(i), int(j)): float(p) for i, j, p in zip(
        generator.integers(0, 5, 40), generator.integers(0, 5, 40),
        generator.random(40), strict=True)}  # fmt: skip
    found = alignment([(*key, p) for key, p in rows.items()]).one_to_one()
    assert len(set(found.source)) == len(set(found.target)) == len(found) == 5


def test_there_are_four_of_them():
    with pytest.raises(ValueError, match=r"must be one of 'one-to-one', .* got '1:1'"):
        alignment([(0, 0, 0, 0.5)]).with_cardinality("1:1")


@pytest.mark.parametrize("name", ["m.tsv", "m.csv", "m.parquet"])
def test_several_matches_of_an_entity_are_read_back(name, tmp_path):
    rows = [(0, 0, 0, 0.5), (0, 0, 1, 0.25), (0, 1, 1, 0.75), (1, 0, 2, 0.25)]
    path = alignment(rows).save(tmp_path / name)
    again = Alignment.load(path)
    assert [(m.source, m.target, m.confidence) for m in again] == [
        ("zh0", "en0", 0.5), ("zh0", "en1", 0.25), ("zh1", "en1", 0.75),
        ("zh0", "ja2", 0.25),
    ]  # fmt: skip


def test_several_matches_of_an_entity_as_statements(tmp_path):
    rows = [(0, 0, 0, 0.5), (0, 0, 1, 0.25)]
    text = alignment(rows).save(tmp_path / "m.nt").read_text()
    assert [line.split()[0] for line in text.splitlines()] == ["<urn:x-entity:zh0>"] * 2
