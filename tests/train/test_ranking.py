"""Several matches of an entity, and those of some entities only."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea import Aligner, Alignment
from pyg_ibmea.align._ranked_evidence import Ranked
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.problem import links_between, unaligned_entities
from pyg_ibmea.train._ranking import calibrate_below

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")

SMALL = {
    "epochs": 3,
    "eval_every": 3,
    "graph_channels": 16,
    "modal_channels": 8,
    "progress": False,
}
PAIR = ("source", "target")


@pytest.fixture(scope="module")
def data():
    # Hard enough that many true counterparts come second or later.
    return SyntheticMMKG(num_entities=300, feature_noise=4.0, seed=1)[0]


@pytest.fixture(scope="module")
def fitted(data):
    return Aligner(**SMALL).fit(data)


def by_source(alignment):
    rows = {}
    for match in alignment:
        rows.setdefault(match.source, []).append(match)
    return rows


def test_what_is_not_asked_for_is_as_before(fitted):
    assert fitted.align(k=1) is fitted.align()


def test_the_best_is_the_match_and_the_others_follow(fitted, data):
    alone = by_source(fitted.align())
    several = by_source(fitted.align(k=4))
    assert several.keys() == alone.keys()
    for source, rows in several.items():
        assert len(rows) == 4
        [match] = alone[source]
        assert (rows[0].target, rows[0].runner_up) == (match.target, match.runner_up)
        assert rows[0].confidence == match.confidence
        assert rows[0].score == pytest.approx(match.score, abs=1e-6)
        assert rows[0].margin == pytest.approx(match.margin, abs=1e-6)
        for better, worse in pairwise(rows):
            assert better.runner_up == worse.target
            assert better.margin == pytest.approx(better.score - worse.score, abs=1e-6)
        assert len({row.target for row in rows}) == 4
        assert sum(row.confidence for row in rows) <= 1 + 1e-9
        assert all(row.confidence <= match.confidence for row in rows)
    # All that there are; the last has none after it.
    size = unaligned_entities(data, ("train", "val"))[1].numel()
    every = by_source(fitted.align(k=10_000))
    for rows in every.values():
        assert len(rows) == size
        assert (rows[-1].runner_up, rows[-1].margin) == ("", 0.0)
        assert sum(row.confidence for row in rows) <= 1 + 1e-9


def test_confidence_of_the_others_is_calibrated(fitted, data):
    links = links_between(data, PAIR)
    test = links.edge_index[:, links.test_mask]
    true = {
        (data.uri["source"][i], data.uri["target"][j]) for i, j in test.t().tolist()
    }
    sources = {source for source, _ in true}
    rows = by_source(fitted.align(k=10))
    others = [m for source in sources for m in rows[source][1:]]
    right = np.array([(m.source, m.target) in true for m in others])
    sure = np.array([m.confidence for m in others])
    assert right.sum() > 20
    # As often right as is said, within four standard errors.
    error = 4 * np.sqrt((sure * (1 - sure)).sum())
    assert abs(right.sum() - sure.sum()) < error
    order = np.argsort(-sure)
    half = len(order) // 2
    assert right[order[:half]].sum() > right[order[half:]].sum()


def test_cardinality(fitted):
    one = fitted.align(k=4, cardinality="one-to-one")
    assert len(set(one.source)) == len(set(one.target)) == len(one)
    several = fitted.align(k=4)
    greedy = several.one_to_one()
    assert list(one) == list(greedy)
    assert len(one) > len(fitted.align().one_to_one())
    many = fitted.align(k=4, cardinality="one-to-many")
    assert len(set(many.target)) == len(many)
    assert len(set(many.source)) < len(many)
    assert list(fitted.align(k=4, cardinality="many-to-one")) == list(fitted.align())
    # Where an entity may have several counterparts, they do not share a probability.
    several = fitted.align(k=1000)
    every = fitted.align(k=1000, cardinality="many-to-many")
    assert len(every) == len(several)
    assert bool((every.confidence >= several.confidence - 1e-12).all())
    assert every.confidence.sum() > several.confidence.sum()


def test_some_entities_only(fitted, data):
    every = fitted.align(k=10_000)
    known = {(m.source, m.target): m for m in every}
    sources = list(dict.fromkeys(m.source for m in every))[5:12]
    targets = list(dict.fromkeys(m.target for m in every))[:9]
    found = fitted.align(k=3, sources=sources, targets=targets)
    rows = by_source(found)
    assert set(rows) == set(sources)
    assert len(found) == 3 * len(sources)
    for source, matches in rows.items():
        best = sorted(targets, key=lambda target: -known[source, target].score)
        assert [m.target for m in matches] == best[:3]
        assert [m.runner_up for m in matches] == best[1:4]
        assert sum(m.confidence for m in matches) <= 1 + 1e-9
    usual = {m.source: m for m in fitted.align()}
    some = fitted.align(sources=sources)
    assert {m.source: (m.target, m.confidence) for m in some} == {
        source: (usual[source].target, usual[source].confidence) for source in sources
    }
    assert len(fitted.align(sources=[])) == 0
    why = found.explain(sources[0], rows[sources[0]][1].target)
    assert why.score == pytest.approx(rows[sources[0]][1].score, abs=1e-5)


def test_saved_and_read_back(fitted, tmp_path):
    found = fitted.align(k=3)
    again = Alignment.load(found.save(tmp_path / "several.csv"))
    assert list(again) == list(found)
    assert len(again.one_to_one()) == len(found.one_to_one())


def test_what_a_user_can_put_right(fitted):
    for wrong, why in (
        ({"k": 0}, "k must be at least 1, got 0"),
        ({"cardinality": "n:m"}, "cardinality must be one of"),
        ({"sources": "abc"}, "sources must be a list of URIs, got a single text"),
        ({"sources": ["nobody"]}, "no entity 'nobody' in 'source'"),
        ({"targets": ["nobody"]}, "no entity 'nobody' in 'target'"),
        ({"same_type": "kind"}, "graph 'source' has no relation 'kind'"),
        ({"same_type": {"source": "relation 0"}}, "leads to the types of graph 'tar"),
    ):
        with pytest.raises(ValueError, match=why):
            fitted.align(**wrong)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_calibration_the_best_leave_the_rest(data):
    bare = SyntheticMMKG(num_entities=150, val_ratio=0.0)[0]
    fitted = Aligner(**SMALL).fit(bare)
    rows = by_source(fitted.align(k=3))
    for matches in rows.values():
        first, *others = (m.confidence for m in matches)
        assert first + sum(others) <= 1 + 1e-9
        assert others == sorted(others, reverse=True)
    assert fitted.align(k=3).calibrated[PAIR] is False


def test_same_type(data):
    """With types put on the graphs: a type of its own for each half of the entities."""
    typed, kind, uris, relations = copy.copy(data), {}, {}, {}
    links = links_between(data, PAIR).edge_index
    half = {PAIR[0]: set(range(150))}
    half[PAIR[1]] = {j for i, j in links.t().tolist() if i < 150}
    for kg in PAIR:
        n = data[kg].num_nodes
        store = data[kg, "rel", kg]
        number = int(store.edge_type.max()) + 1
        kind[kg] = [0 if node in half[kg] else 1 for node in range(n)]
        # Two entities stand for the types; one entity has none.
        types = torch.tensor([n - 2, n - 1])
        nodes = torch.arange(n - 3)
        more = torch.stack([nodes, types[torch.tensor(kind[kg])[nodes]]])
        typed[kg, "rel", kg].edge_index = torch.cat([store.edge_index, more], dim=1)
        added = torch.full((len(nodes),), number)
        typed[kg, "rel", kg].edge_type = torch.cat([store.edge_type, added])
        relations[kg] = [f"r{i}" for i in range(number)] + [f"http://{kg}.org/#type"]
        uris[kg] = data.uri[kg]
    typed.relation_uri = relations
    fitted = Aligner(**SMALL).fit(typed)
    every = fitted.align(k=10_000)
    found = fitted.align(k=10_000, same_type="type")
    by_graph = {
        "source": "http://source.org/#type",
        "target": "http://target.org/#type",
    }
    assert list(fitted.align(k=10_000, same_type=by_graph)) == list(found)
    number = {kg: {uri: i for i, uri in enumerate(uris[kg])} for kg in PAIR}
    known = links_between(data, PAIR)
    seeds = known.edge_index[:, known.train_mask | known.val_mask].t().tolist()
    seen = {
        (kind["source"][i], kind["target"][j]) for i, j in seeds
        if i < data["source"].num_nodes - 3 and j < data["target"].num_nodes - 3
    }  # fmt: skip
    assert seen >= {(0, 0), (1, 1)}

    def allowed(match):
        i, j = number["source"][match.source], number["target"][match.target]
        sizes = [data[kg].num_nodes - 3 for kg in PAIR]
        if i >= sizes[0] or j >= sizes[1]:
            return True
        return (kind["source"][i], kind["target"][j]) in seen

    expected = {(m.source, m.target) for m in every if allowed(m)}
    assert {(m.source, m.target) for m in found} == expected
    assert len(expected) < len(every)


class Fixed:
    """Evidence that says nothing: each entity is ranked with its own row first."""

    def ranked(self, k):
        rows = torch.arange(8)
        target = (rows[:, None] + torch.arange(4)) % 8
        return Ranked(target, torch.zeros(8, 4), rows)

    def features(self, pairs):
        return torch.zeros(pairs.size(1), 5, dtype=torch.double)


@pytest.mark.parametrize("with_lonely", [False, True])
def test_what_tells_nothing_gets_the_share_that_is_right(with_lonely):
    """Below the best, 3 of the 9 matches of the three validation entities are right;
    the 6 of two entities without a counterpart, which are 2 for 7 known pairs, weigh
    as much as 9 times 2 / 7 others.
    """
    data = HeteroData()
    links = links_between(data, PAIR)
    # Of eight entities outside the training pairs, rows 0 to 2 are one, two and three
    # rows before their counterparts.
    first, second = torch.arange(4), torch.arange(4) + 8
    row, column = torch.tensor([0, 1, 2]), torch.tensor([1, 3, 5])
    links.edge_index = torch.stack(
        [torch.cat([second, row]), torch.cat([first + 8, column])]
    )
    links.train_mask = torch.arange(7) < 4
    links.val_mask, links.test_mask = ~links.train_mask, links.train_mask & False
    if with_lonely:
        links.dangling, links.dangling_part = torch.tensor([5, 6]), torch.tensor([1, 0])
    for kg in PAIR:
        data[kg].num_nodes = 12
    entities = [torch.arange(8), torch.arange(8)]
    found = calibrate_below(Fixed(), data, entities)
    share = 3 / (9 + 9 * 2 / 7) if with_lonely else 3 / 9
    expected = (9 * share + 1) / (9 + 2)  # Laplace's rule, from nine trials.
    assert found(torch.zeros(1, 5)).item() == pytest.approx(expected, abs=2e-4)
