"""Bonuses by name: what is added to cosines is told apart."""

from dataclasses import replace

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.align import CSLS, Contribution, Similarity
from pyg_ibmea.align.decoders import scores_of
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.train._named_bonus import values_at
from pyg_ibmea.train.evaluation import bonus_of

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
PAIR = ("source", "target")


def test_values_are_those_of_the_matrix():
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(5, 7, generator=generator)
    dense *= torch.rand(5, 7, generator=generator) < 0.4
    row, column = (part.flatten() for part in torch.meshgrid(
        torch.arange(5), torch.arange(7), indexing="ij"))  # fmt: skip
    pairs = torch.stack([row, column])
    for matrix in (dense.to_sparse(), dense.to_sparse_csr()):
        assert torch.equal(values_at(matrix, pairs), dense[row, column].double())
    nothing = torch.zeros(5, 7).to_sparse()
    assert torch.equal(values_at(nothing, pairs), torch.zeros(35, dtype=torch.double))


class Dates:
    """A second bonus, of which two thirds are one fact and the others are not told."""

    name = "dates"

    def __init__(self, value):
        self.value = value

    def facts(self, pairs, most):
        told = []
        for value in values_at(self.value, pairs).tolist():
            fact = Contribution("dates", value * 2 / 3, "born 1982 = 1982.0", "fact")
            told.append(([fact][:most] if value else [], 0))
        return told


def test_another_bonus_is_one_more_name():
    data = SyntheticMMKG(num_entities=120)[0]
    aligner = Aligner(
        epochs=2, eval_every=2, graph_channels=16, modal_channels=8, progress=False
    ).fit(data)
    answers = aligner._answers_of(None)
    matches, explainer = answers.alignment, answers.explainer(PAIR)
    nodes = torch.from_numpy(matches.source), torch.from_numpy(matches.target)
    pairs = torch.stack(nodes)
    size = tuple(data[kg].num_nodes for kg in PAIR)
    born = torch.zeros(size)
    born[pairs[0, ::2], pairs[1, ::2]] = 0.3
    dates = Dates(born.to_sparse())
    both, none = explainer.bonuses[0].value + dates.value, pairs[:, :0]
    total = bonus_of(both, explainer.entities, none)
    similarity = Similarity.of(*explainer.z, bonus=total)
    both = replace(
        explainer,
        similarity=similarity,
        decoder=CSLS(3),
        scoring=scores_of(similarity, CSLS(3)),
        bonuses=[explainer.bonuses[0], dates],
    )
    for number, why in enumerate(both.explain(pairs, most=2)):
        assert sum(c.value for c in why.contributions) == pytest.approx(
            why.score, abs=2e-5
        )
        told = [(c.kind, c.value) for c in why.contributions if c.name == "dates"]
        if number % 2:
            assert told == []
            continue
        # CSLS counts what is added twice.
        assert [kind for kind, _ in told] == ["fact", "rest"]
        assert [value for _, value in told] == pytest.approx([0.4, 0.2])
    assert {c.text for c in why.contributions if c.kind == "rest"} <= {
        f"{n} more" for n in range(1, 200)
    } | {"what no single fact tells"}
