"""The values that speak for a match, one by one."""

import math

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.align import Sinkhorn, value_agreement
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.problem import links_of, literals_of
from pyg_ibmea.train._named_bonus import values_at
from pyg_ibmea.train._value_bonus import ValueBonus

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
PAIR = ("source", "target")


@pytest.fixture(scope="module")
def data():
    """Linked entities were born on one day, and some have one height."""
    data = SyntheticMMKG(num_entities=120)[0]
    links = data["source", "same_as", "target"].edge_index
    data.literals = {}
    for side, (kg, names) in enumerate(
        zip(PAIR, (("born", "height"), ("birth", "size")), strict=True)
    ):
        days = [f"19{10 + i % 90}-0{1 + i % 9}-1{i % 7}" for i in range(links.size(1))]
        tall = [f"{150 + i % 40}" for i in range(0, links.size(1), 2)]
        data.literals[kg] = {
            "entity": torch.cat([links[side], links[side, ::2]]),
            "attribute": torch.tensor([0] * len(days) + [1] * len(tall)),
            "text": days + tall,
            "attribute_uri": [f"http://x/{name}" for name in names],
        }
    return data


def test_facts_add_up_and_say_the_values(data):
    links = links_of(data, "train")
    sides = [literals_of(data, kg) for kg in PAIR]
    known = torch.cat([links, links_of(data, "val")], dim=1)
    value = 0.3 * value_agreement(*sides, known, (120, 120))
    bonus = ValueBonus(data, PAIR, value)
    pairs = links_of(data, "test")[:, :20]
    added = values_at(value, pairs)
    assert (added > 0).all()
    texts = {(s, int(n), int(a)): t for s, side in enumerate(sides) for n, a, t in zip(
        side.entity, side.attribute, side.text, strict=True
    )}  # fmt: skip
    told = bonus.facts(pairs, 5)
    for (i, j), expected, (facts, more) in zip(
        pairs.t().tolist(), added.tolist(), told, strict=True
    ):
        assert more == 0
        assert math.fsum(fact.value for fact in facts) == pytest.approx(expected)
        day = f"born {texts[0, i, 0]} = birth {texts[1, j, 0]}"
        assert facts[0].text == day
        values = [fact.value for fact in facts]
        assert values == sorted(values, reverse=True)
    assert any(len(facts) == 2 for facts, _ in told)
    some, more = bonus.facts(pairs, 1)[[len(f) for f, _ in told].index(2)]
    assert (len(some), more) == (1, 1)
    every = torch.cartesian_prod(torch.arange(120), torch.arange(120)).t()
    nothing = every[:, values_at(value, every) == 0][:, :1]
    assert bonus.facts(nothing, 5) == [([], 0)]


def test_explanations_name_the_values(data):
    small = {"epochs": 4, "graph_channels": 16, "modal_channels": 8, "progress": False}
    aligner = Aligner(decoder=Sinkhorn(0.05), **small).fit(data)
    matches = aligner.align()
    told = aligner.explain_all(matches)
    named = 0
    for match, why in zip(matches, told, strict=True):
        total = sum(c.value for c in why.contributions)
        assert total == pytest.approx(match.score, abs=2e-5)
        named += any(c.name == "values" and "born" in c.text for c in why.contributions)
    assert named > 10
