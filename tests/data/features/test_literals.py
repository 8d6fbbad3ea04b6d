import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data.builder import GraphBuilder
from pyg_ibmea.data.features.literals import names_of, numbers_of, parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12.0),
        (" -1.5e-3 ", -0.0015),
        (".5", 0.5),
        ("+7.", 7.0),
        ("2000-01-01", 2000.0),
        ("-0044-03-15", -44 + 73 / 365),
        ("2000-02-29T10:00:00Z", 2000 + 59 / 365),
        ("1_000", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("٣", None),
        ("2000-13-01", None),
        ("12 km", None),
        ("", None),
    ],
)
def test_numbers_in_texts(text: str, number: float | None) -> None:
    found = parse_number(text)
    assert found == number if number is None else found == pytest.approx(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_as_itself(number: float) -> None:
    assert parse_number(repr(number)) == number


def graph_of(name: str, facts: list[tuple[str, str, str]]):
    builder = GraphBuilder(name)
    for fact in facts:
        builder.add_attribute(*fact)
    return builder.build()


def test_inner_product_is_the_mean_cosine_of_rank_differences() -> None:
    heights = [10.0, 20.0, 30.0, 40.0, 1e9]
    source = graph_of("a", [(f"s{h}", "height", f"{h}") for h in heights[:3]])
    target = graph_of("b", [(f"t{h}", "height", f"{h}") for h in heights[3:]])
    (x, mask), (y, _) = numbers_of([source, target])
    assert mask.all()
    for i in range(3):
        for j in range(2):
            gap = (3 + j - i) / 4
            cosines = [math.cos(f * math.pi * gap) for f in (1, 4, 16, 64)]
            assert float(x[i] @ y[j]) == pytest.approx(sum(cosines) / 4, abs=1e-5)


def test_attributes_have_scales_of_their_own_and_means_over_values() -> None:
    facts = [("a", "p", "1"), ("a", "p", "3"), ("b", "p", "2"), ("c", "q", "x")]
    graph = graph_of("g", [*facts, ("c", "r", "5"), ("b", "r", "5")])
    ((x, mask),) = numbers_of([graph])
    assert x.shape == (3, 16)
    assert mask.all()
    one, three = torch.tensor([0.0, 1.0]) * math.pi
    mean = [(math.cos(one) + math.cos(three)) / 4, 0.0]
    assert x[0, :2].tolist() == pytest.approx(mean, abs=1e-6)
    # Equal values of "r" have one rank.
    assert torch.equal(x[1, 8:], x[2, 8:])
    ((fewer, _),) = numbers_of([graph], num_attributes=1)
    assert torch.equal(fewer, x[:, :8])
    ((none, empty),) = numbers_of([graph_of("g", [("a", "p", "no number")])])
    assert none.shape == (1, 0)
    assert not empty.any()


def test_the_preferred_name_is_taken() -> None:
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    graph = graph_of(
        "g", [("a", "name", "x"), ("a", label, "y"), ("a", label, "z"), ("b", "p", "w")]
    )
    assert names_of(graph) == {"a": "y"}
    assert names_of(graph, ["p"]) == {"b": "w"}
    assert names_of(GraphBuilder("empty").build()) == {}
