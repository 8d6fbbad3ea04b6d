import copy
import warnings
from dataclasses import replace

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.align import (
    CSLS,
    Sinkhorn,
    match_probabilities,
    neighborhood_agreement,
    ranking_metrics,
    spread_agreement,
    value_agreement,
)
from pyg_ibmea.align._evidence import match_evidence
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import links_of, literals_of, unaligned_entities
from pyg_ibmea.train import DecodingOptions, Options, evaluate
from pyg_ibmea.train._confidence import align_with_confidence, calibrate
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._novelty import known_modalities, shared_kinds, shrink_novel
from pyg_ibmea.train._stages import best_pseudo_seeds
from pyg_ibmea.train._trained import TrainedModels
from pyg_ibmea.train.decoding import neighborhood_bonus, sinkhorn_of, value_bonus
from pyg_ibmea.train.evaluation import unaligned_similarity

PAIR = ("source", "target")


def encode(model, data):
    with torch.no_grad():
        z = model.eval()(data).z
    return [z[kg] for kg in PAIR]


def by_hand(model, data, known, rounds):
    """The bonus, dense, from the embeddings of all entities."""
    z, entities = encode(model, data), unaligned_entities(data, known)
    chosen = [side[ids] for side, ids in zip(z, entities, strict=True)]
    inside = entities[0][:, None], entities[1]
    edges = [
        (store.edge_index, store.edge_type)
        for store in (data[kg, "rel", kg] for kg in PAIR)
    ]
    bonus = torch.zeros(len(z[0]), len(z[1]))
    for _ in range(rounds):
        matches = torch.zeros_like(bonus)
        matches[inside] = match_probabilities(
            *chosen, 0.1, Sinkhorn(0.03), bonus=bonus[inside].to_sparse()
        ).to_dense()
        for part in known:
            matches[tuple(links_of(data, part))] = 1.0
        bonus = 0.7 * neighborhood_agreement(matches.to_sparse(), *edges).to_dense()
    return bonus


@pytest.fixture
def options():
    return DecodingOptions(
        sinkhorn_temperature=0.03, neighbor_agreement=0.7, neighbor_rounds=2
    )


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize("known", [("train",), ("train", "val")])
def test_known_pairs_and_matches_vouch_for_their_neighbours(
    data, model, options, known, rounds
):
    options = replace(options, neighbor_rounds=rounds)
    bonus = neighborhood_bonus(model, data, options, known)
    assert bonus.is_sparse
    expected = by_hand(model, data, known, rounds)
    torch.testing.assert_close(bonus.to_dense(), expected)
    assert bonus.to_dense().max() > 0.1
    off = DecodingOptions(neighbor_agreement=0.0)
    assert neighborhood_bonus(model, data, off, known) is None


def test_what_is_judged_knows_the_training_pairs_only(data, model, options):
    torch.manual_seed(1)
    other = copy.deepcopy(model)
    torch.nn.init.normal_(other.embedding.weight)
    trained = TrainedModels(data, options, [other], [model])
    before, after = trained.bonuses[PAIR]
    expected = neighborhood_bonus(other, data, options, ("train",))
    assert before.to_dense().equal(expected.to_dense())
    expected = neighborhood_bonus(model, data, options, ("train", "val"))
    assert after.to_dense().equal(expected.to_dense())


def test_other_pairs_are_not_looked_at(data, model, options):
    before = neighborhood_bonus(model, data, options).to_dense()
    store = data["source", "same_as", "target"]
    known = store.train_mask
    store.edge_index = store.edge_index[:, known]
    for part in ("train", "val", "test"):
        store[f"{part}_mask"] = store[f"{part}_mask"][known]
    assert neighborhood_bonus(model, data, options).to_dense().equal(before)


def test_where_all_is_known_only_that_counts(data, model, options):
    store = data["source", "same_as", "target"]
    entities = torch.arange(data["source"].num_nodes)
    store.edge_index = torch.stack([entities, entities % data["target"].num_nodes])
    store.train_mask = torch.ones_like(entities, dtype=torch.bool)
    bonus = neighborhood_bonus(model, data, options)
    assert bonus.shape == (data["source"].num_nodes, data["target"].num_nodes)
    assert (bonus.values() > 0).all()


def test_it_enters_ranks_and_matches(data, model, options):
    z = encode(model, data)

    def part(known):
        entities = unaligned_entities(data, known)
        sides = [side[ids] for side, ids in zip(z, entities, strict=True)]
        bonus = by_hand(model, data, known, 2)
        return entities, sides, bonus[entities[0][:, None], entities[1]].to_sparse()

    links = links_of(data, "test")
    trained = TrainedModels(data, options, [model], [model])
    before, after = trained.bonuses[PAIR]
    result = evaluate(model, data, "test", ["csls"], bonus=after)["csls"]
    expected = ranking_metrics(
        z[0][links[0]],
        z[1][links[1]],
        bonus=after.to_dense()[links[0][:, None], links[1]].to_sparse(),
    )
    assert result["mean"] == pytest.approx(expected["mean"])
    assert result != evaluate(model, data, "test", ["csls"])["csls"]

    judgement = calibrate([model], data, options, bonus=before)
    plain = calibrate([model], data, options)
    assert judgement.right.state_dict() != plain.right.state_dict()
    found = align_with_confidence([model], data, judgement, options, bonus=after)
    entities, sides, added = part(("train", "val"))
    # Cosines of at most 1 and as much as .7 from neighbours: 1.7 times as wide.
    wide = Sinkhorn(0.03 * 1.7)
    by = wide if found.decoder[PAIR] == "sinkhorn" else CSLS()
    [(evidence, _)] = match_evidence(*sides, [by], CSLS(), wide, bonus=added)
    assert found.target.tolist() == entities[1][evidence.target].tolist()
    known = [known_modalities([model], data, kg) for kg in PAIR]
    kinds = shared_kinds(known, entities[0], entities[1][evidence.target])
    prior = judgement.share * judgement.matches["precision"]
    expected = judgement.right(evidence.features).double()
    torch.testing.assert_close(
        torch.from_numpy(found.confidence),
        shrink_novel(expected, kinds, judgement.kinds, prior),
        atol=1e-5,
        rtol=0.0,
    )
    joined = trained.judgements[PAIR]
    assert joined.right.state_dict() == judgement.right.state_dict()
    assert trained.alignment.target.tolist() == found.target.tolist()


def test_final_ranks_are_scaled_at_the_wider_temperature(data, options):
    torch.manual_seed(0)  # A weak model, so that ranks differ.
    model = IBMEA.from_data(data, modalities=["graph"], graph_channels=8)
    trained = TrainedModels(data, options, [model], [model])
    bonuses = trained.bonuses[PAIR]

    def figures(part, bonus, temperature):
        decoders = [Sinkhorn(temperature)]
        found = evaluate(model, data, part, decoders, bonus=bonus)
        return found["sinkhorn"]["mean"]

    for part, bonus in zip(("val", "test"), bonuses, strict=True):
        found = trained.ranked(PAIR, part)
        expected = figures(part, bonus, 0.03 * 1.7)
        assert found["sinkhorn"]["mean"] == pytest.approx(expected)
    # Of the many test pairs some rank differs.
    assert expected != pytest.approx(figures("test", bonuses[1], 0.03))
    plain = trained.ranked(PAIR, "test", agreement=False)
    expected = figures("test", None, 0.03)
    assert plain["sinkhorn"]["mean"] == pytest.approx(expected)


# Notes for a user, which six epochs on two hundred entities earn.
@pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
def test_training_does_not_depend_on_it(monkeypatch, run_stages):
    """One training gives the figures with neighbours and without; where they lower
    those of the validation pairs, it says so.
    """
    asked = []

    def check_agreement(*given):
        asked.append(given)
        return ["neighbours lead astray"]

    monkeypatch.setattr("pyg_ibmea.train._trained.check_agreement", check_agreement)
    problem = SyntheticMMKG(num_entities=200, feature_noise=0.8)[0]
    changes = {
        "epochs": 6, "eval_every": 2, "graph_channels": 16, "modal_channels": 8,
        "lr": 0.02, "iterative": True, "propose_from": 2, "propose_every": 1,
        "propose_first_threshold": 0.3, "propose_threshold": 0.3, "refits": 1,
        "refit_epochs": 2,
    }  # fmt: skip
    found = {}
    for weight in (0.0, 0.5):
        options = Options.of(neighbor_agreement=weight, **changes)
        states = run_stages(problem.clone(), options, MemoryLog())
        judged, final = (
            [state.model for state in each] for each in (states.judged, states.final)
        )
        trained = TrainedModels(problem, options.decoding, judged, final)
        adopted = best_pseudo_seeds(states.judged[0], problem)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found[weight] = trained.metrics(adopted)
        assert [str(w.message) for w in told] == ["neighbours lead astray"] * bool(
            weight
        )
    without, with_them = found[0.0], found[0.5]
    assert without["pseudo_seeds"] == with_them["pseudo_seeds"]
    assert without["pseudo_seeds"]["pairs"] > 0
    assert "vectors_alone" not in without
    judges = links_of(problem, "val").size(1)
    given = with_them["val"], without["val"], judges, "source - target"
    assert asked == [given]
    for part in ("test", "val"):
        assert with_them["vectors_alone"][part] == without[part]
        assert with_them[part] != without[part]


def with_values(data, share=0.7):
    """Counterparts have the same day of birth, if they have one."""
    data = copy.copy(data)
    random = torch.Generator().manual_seed(0)
    links = data["source", "same_as", "target"].edge_index
    days = torch.randint(40 * 365, (links.size(1),), generator=random).tolist()
    texts = [f"{1950 + d // 365}-{d % 12 + 1:02}-{d % 28 + 1:02}" for d in days]
    data.literals = {}
    for kg, ids, name in zip(PAIR, links, ("born", "birthDate"), strict=True):
        has = (torch.rand(len(ids), generator=random) < share).nonzero().flatten()
        data.literals[kg] = {
            "entity": ids[has],
            "attribute": torch.zeros_like(has),
            "text": [texts[i] for i in has.tolist()],
            "attribute_uri": [name],
        }
    return data


@pytest.fixture(scope="module")
def valued():
    data = with_values(SyntheticMMKG(num_entities=300)[0])
    torch.manual_seed(0)
    return data, IBMEA.from_data(data, graph_channels=16, modal_channels=8)


def test_values_are_a_weighted_agreement(valued):
    data, _ = valued
    options = DecodingOptions(value_agreement=0.4)
    sides = [literals_of(data, kg) for kg in PAIR]
    counts = tuple(data[kg].num_nodes for kg in PAIR)
    for known in (("train",), ("train", "val")):
        links = torch.cat([links_of(data, part) for part in known], dim=1)
        expected = 0.4 * value_agreement(*sides, links, counts).to_dense()
        found = value_bonus(data, options, known).to_dense()
        torch.testing.assert_close(found, expected)
        assert 0.3 < found.max() <= 0.4
        test = links_of(data, "test")
        assert (found[test[0], test[1]] > 0.2).double().mean() > 0.3


def test_no_values_no_bonus(valued):
    data, _ = valued
    assert value_bonus(data, DecodingOptions(value_agreement=0.0)) is None
    one_side = copy.copy(data)
    one_side.literals = {"source": data.literals["source"]}
    assert value_bonus(one_side, DecodingOptions()) is None
    assert value_bonus(SyntheticMMKG(num_entities=60)[0], DecodingOptions()) is None


def test_values_are_evidence_for_neighbourhoods(valued):
    data, model = valued
    options = DecodingOptions(neighbor_agreement=0.7, neighbor_rounds=2)
    values = value_bonus(data, options)
    entities = unaligned_entities(data, ("train",))
    z = [side[ids] for side, ids in zip(encode(model, data), entities, strict=True)]
    edges = [
        (store.edge_index, store.edge_type)
        for store in (data[kg, "rel", kg] for kg in PAIR)
    ]
    size = tuple(data[kg].num_nodes for kg in PAIR)
    expected = spread_agreement(
        *(*z, *edges, links_of(data, "train"), entities, size, 0.7, 2),
        sinkhorn_of(options),
        evidence=values,
    )
    found = neighborhood_bonus(model, data, options, values=values)
    torch.testing.assert_close(found.to_dense(), expected.to_dense())
    alone = DecodingOptions(neighbor_agreement=0.0)
    assert neighborhood_bonus(model, data, alone, values=values) is values


def test_values_help_models_and_their_alignment(valued):
    data, model = valued
    hits = {}
    for weight in (0.0, 0.3):
        for agreement in (0.0, 0.5):
            options = DecodingOptions(
                value_agreement=weight, neighbor_agreement=agreement
            )
            trained = TrainedModels(data, options, [model], [model])
            ranked = trained.ranked(PAIR, "test")
            hits[weight, agreement] = ranked["sinkhorn"]["hits@1"]
            assert len(trained.alignment) > 0
    assert hits[0.3, 0.0] > hits[0.0, 0.0] + 0.2
    assert hits[0.3, 0.5] > hits[0.0, 0.5]


def test_similarity_of_proposals_has_the_values(valued):
    data, model = valued
    values = value_bonus(data, DecodingOptions())
    entities = unaligned_entities(data, ("train",))
    plain = unaligned_similarity(model, data)
    with_bonus = unaligned_similarity(model, data, bonus=values)
    rows = torch.arange(min(map(len, entities))).repeat(2, 1)
    added = values.to_dense()[entities[0][rows[0]], entities[1][rows[1]]]
    torch.testing.assert_close(with_bonus.of_pairs(rows), plain.of_pairs(rows) + added)
    # Pairs with values become candidates, however few are looked for.
    found = unaligned_similarity(model, data, None, "exact", 1, values).candidates
    inside = values.index_select(0, entities[0]).index_select(1, entities[1])
    assert found.contains(inside.coalesce().indices()).all()


@pytest.mark.filterwarnings("ignore")
def test_values_propose_pairs(valued, tmp_path):
    data, _ = valued
    right = {}
    for weight in (0.0, 0.3):
        aligner = Aligner(
            epochs=4,
            graph_channels=16,
            modal_channels=8,
            iterative=True,
            propose_from=2,
            propose_every=1,
            value_agreement=weight,
            progress=False,
            device="cpu",
        ).fit(data, tmp_path / str(weight))
        found = aligner.metrics_["pseudo_seeds"]
        right[weight] = found["pairs"] * found["right"]
    assert found["right_of_known"] > 0.8
    assert right[0.3] > right[0.0] + 20
