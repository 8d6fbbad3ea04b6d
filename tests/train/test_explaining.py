"""Why two entities match: the contributions add up to the score."""

import copy
import json
import pickle

import pytest
import torch
from brute_agreement import brute_agreement
from three_graphs import three_graphs

from pyg_ibmea import Aligner, Alignment
from pyg_ibmea.align import CSLS, Cosine, Sinkhorn
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.problem import links_of, triples_of
from pyg_ibmea.train._entity_names import Names

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")

SMALL = {
    "epochs": 4,
    "eval_every": 2,
    "graph_channels": 16,
    "modal_channels": 8,
    "progress": False,
}
PAIR = ("source", "target")


@pytest.fixture(scope="module")
def data():
    return SyntheticMMKG(num_entities=120)[0]


@torch.no_grad()
def cosines_by_modality(models, data, i, j):
    """The mean over the models, from their latents and fusion weights."""
    found = {}
    for model in models:
        output = model.eval()(data)
        shares = {}
        for side, (kg, node) in enumerate(zip(PAIR, (i, j), strict=True)):
            has = {m: bool(output.masks[m][kg][node]) for m in model.modalities}
            odds = {
                m: float(score.exp()) if has[m] else 0.0
                for m, score in zip(
                    model.modalities, model.fusion.score.detach(), strict=True
                )
            }
            shares[side] = {m: odd / sum(odds.values()) for m, odd in odds.items()}
            # The fused vector is of this length.
            length = sum(s**2 for s in shares[side].values()) ** 0.5
            shares[side] = {m: s / length for m, s in shares[side].items()}
        for m in model.modalities:
            a, b = (
                output.latents[m][kg][n] for kg, n in zip(PAIR, (i, j), strict=True)
            )
            cosine = float(torch.nn.functional.cosine_similarity(a, b, dim=0))
            value = shares[0][m] * shares[1][m] * cosine / len(models)
            found[m] = found.get(m, 0.0) + value
    return found


@pytest.mark.parametrize("refits", [0, 2])
@pytest.mark.parametrize("decoder", [Cosine(), CSLS(k=5), Sinkhorn(0.05)])
def test_contributions_add_up_to_the_score_of_every_match(data, decoder, refits):
    aligner = Aligner(decoder=decoder, refits=refits, **SMALL).fit(data)
    matches = aligner.align()
    told = aligner.explain_all(matches)
    assert len(told) == len(matches) > 50
    for match, why in zip(matches, told, strict=True):
        assert (why.source, why.target) == (match.source, match.target)
        total = sum(c.value for c in why.contributions)
        assert total == pytest.approx(match.score, abs=2e-5)
        assert why.score == pytest.approx(match.score, abs=1e-6)
        assert why.confidence == match.confidence
    # By modality, and the decoder's own terms, from their definitions.
    i, j = int(matches.source[3]), int(matches.target[3])
    why = aligner.explain(matches[3].source, matches[3].target)
    factor = 2.0 if isinstance(decoder, CSLS) else 1.0
    expected = cosines_by_modality(aligner._trained.final, data, i, j)
    for c in why.contributions:
        if c.kind == "modality":
            assert c.value == pytest.approx(factor * expected[c.name], abs=2e-5)
    assert {c.name for c in why.contributions if c.kind == "modality"} == set(expected)
    cosine = sum(expected.values())
    bonus = aligner._trained.bonuses[PAIR][1].to_dense()[i, j]
    left = matches[3].score - factor * (cosine + float(bonus))
    own = sum(c.value for c in why.contributions if c.kind == "decoder")
    assert own == pytest.approx(left, abs=5e-5)


def test_facts_are_those_of_the_neighbourhood_agreement(data):
    aligner = Aligner(decoder="cosine", **SMALL).fit(data)
    trained = aligner._trained
    matches = trained.alignment
    told = aligner.explain_all(matches, most=1000)
    probable = trained.probable[PAIR].to_dense().double()
    edges = [
        (triples_of(data, kg).edge_index, triples_of(data, kg).edge_type) for kg in PAIR
    ]
    brute = 0.5 * brute_agreement(probable, *edges, 100)
    some = 0
    for row, why in enumerate(told):
        i, j = int(matches.source[row]), int(matches.target[row])
        facts = [c for c in why.contributions if c.name == "neighbourhood"]
        assert sum(c.value for c in facts) == pytest.approx(
            float(brute[i, j]), abs=1e-5
        )
        assert all(c.kind == "fact" for c in facts)
        values = [c.value for c in facts]
        assert values == sorted(values, reverse=True)
        some += len(facts)
    assert some > 50
    # A few of them one by one, the others together.
    most = max(told, key=lambda why: len(why.contributions))
    short = aligner.explain(most.source, most.target, most=2)
    facts = [c for c in most.contributions if c.name == "neighbourhood"]
    shown = [c for c in short.contributions if c.name == "neighbourhood"]
    assert [c.kind for c in shown] == ["fact", "fact", "rest"]
    assert shown[2].value == pytest.approx(sum(c.value for c in facts[2:]), abs=1e-6)
    assert shown[2].text == f"{len(facts) - 2} more"
    # A fact of the source is an edge there.
    uris = data.uri["source"]
    relations = [f"relation {number}" for number in range(100)]
    node = uris.index(most.source)
    (head, tail), kind = edges[0]
    said = {
        f"{relations[r]} → {uris[t]}"
        for h, r, t in zip(head.tolist(), kind.tolist(), tail.tolist(), strict=True)
        if h == node
    }
    said |= {
        f"{relations[r]} ← {uris[h]}"
        for h, r, t in zip(head.tolist(), kind.tolist(), tail.tolist(), strict=True)
        if t == node
    }
    assert {c.source for c in facts} <= said


@pytest.fixture(scope="module")
def fitted(data):
    return Aligner(**SMALL).fit(data)


def test_the_runner_up_stands_beside_the_match(fitted):
    matches = fitted.align()
    match = max(matches, key=lambda m: m.confidence)
    why = matches.explain(match.source)
    assert why.is_match
    assert why.target == match.target
    assert why.runner_up.target == match.runner_up
    assert not why.runner_up.is_match
    assert why.score - why.runner_up.score == pytest.approx(match.margin, abs=1e-5)
    text = str(why)
    assert f"runner-up: {match.runner_up}" in text
    assert f"{why.score:.3f}" in text
    table = {
        line.split()[0]: line.split()[1:]
        for line in text.splitlines()[-12:]
        if len(line.split()) == 4
    }
    assert float(table["score"][0]) == pytest.approx(why.score, abs=1e-3)
    assert float(table["graph"][2]) == pytest.approx(
        why.by_name()["graph"] - why.runner_up.by_name()["graph"], abs=2e-3
    )
    said = json.loads(json.dumps(why.to_dict()))
    assert said["runner_up"]["target"] == match.runner_up
    total = sum(c["value"] for c in said["contributions"])
    assert total == pytest.approx(said["score"], abs=2e-5)
    other = matches.explain(match.source, match.runner_up)
    assert other.confidence == why.runner_up.confidence
    two = fitted.align(k=2)
    [second] = [
        m for m in two if (m.source, m.target) == (match.source, match.runner_up)
    ]
    assert other.confidence == pytest.approx(second.confidence, abs=1e-12)
    assert other.notes == (f"the match that was found is {match.target}",)


def test_among_candidates_only(data):
    options = {"refits": 1, "refit_epochs": 2, "num_candidates": 3}
    aligner = Aligner(decoder=Sinkhorn(0.05), **options, **SMALL).fit(data)
    matches = aligner.align()
    for match, why in zip(matches, aligner.explain_all(matches), strict=True):
        total = sum(c.value for c in why.contributions)
        assert total == pytest.approx(match.score, abs=2e-5)
        assert why.notes == ()
    several = aligner.align(k=50)
    given = {(m.source, m.target) for m in several}
    assert len(given) == len(several) < 50 * len(matches)
    source = matches[0].source
    far = next(m.target for m in matches if (source, m.target) not in given)
    why = aligner.explain(source, far)
    assert why.confidence is None
    assert why.notes[0] == (
        "the pair is not among the candidates, so it could not be chosen"
    )


def test_whom_an_alignment_asks(fitted, data, tmp_path):
    matches = fitted.align()
    match = matches[0]
    some = matches.sure(0.0)[:5]
    assert some.explain(match.source) == matches.explain(match.source)
    joined = Alignment.join([matches])
    for lost in (joined, copy.deepcopy(matches), pickle.loads(pickle.dumps(matches))):
        with pytest.raises(RuntimeError, match=r"call aligner\.explain"):
            lost.explain(match.source)
    path = matches.save(tmp_path / "alone.tsv")
    with pytest.raises(RuntimeError, match="pyg-ibmea explain RUN SOURCE"):
        Alignment.load(path).explain(match.source)
    # A run that its folder cannot read again says what to give.
    run = fitted.save(tmp_path / "run")
    with pytest.raises(ValueError, match=r"Aligner\.load\(.*, data\)\.explain"):
        Alignment.load(run / "alignment.tsv").explain(match.source)
    loaded = Aligner.load(run, data)
    assert loaded.explain(match.source).score == pytest.approx(match.score, abs=1e-5)


def test_what_cannot_be_explained(fitted, data):
    matches = fitted.align()
    source, target = matches[0].source, matches[0].target
    i, j = links_of(data, "train")[:, 0].tolist()
    known = data.uri["source"][i], data.uri["target"][j]
    with pytest.raises(ValueError, match=f"{known[0]}.*is in the known pair"):
        fitted.explain(known[0])
    with pytest.raises(ValueError, match=f"{known[1]}.*was given, not found"):
        fitted.explain(source, known[1])
    with pytest.raises(ValueError, match="no entity 'nobody' in 'source'"):
        fitted.explain("nobody")
    with pytest.raises(ValueError, match="no entity 'nobody' in 'target'"):
        fitted.explain(source, "nobody")
    with pytest.raises(ValueError, match="do you mean"):
        fitted.explain(source[:-1])
    with pytest.raises(ValueError, match="name the entity of the source graph first"):
        fitted.explain(target, source)
    with pytest.raises(ValueError, match="no matches of a - b, but of source - target"):
        fitted.explain(source, graphs=("a", "b"))
    with pytest.raises(RuntimeError, match="nothing was trained"):
        Aligner().explain(source)


def test_a_modality_that_an_entity_lacks_adds_nothing(data):
    changed = copy.copy(data)
    mask = data["source"].mask_image.clone()
    mask[:] = False
    x = torch.zeros_like(data["source"].x_image)
    changed["source"].mask_image, changed["source"].x_image = mask, x
    aligner = Aligner(neighbor_features=False, **SMALL).fit(changed)
    why = aligner.explain(aligner.align()[0].source)
    [image] = [c for c in why.contributions if c.name == "image"]
    assert (image.value, image.text) == (0.0, "missing for the source")


def test_shared_columns_are_named(data):
    changed = copy.copy(data)
    width = data["source"].x_attribute.size(1)
    changed.column_uri = {"attribute": [f"http://x.org/p#{i}" for i in range(width)]}
    x = {kg: changed[kg].x_attribute.to_dense() != 0 for kg in PAIR}
    count = x["source"].sum(dim=0) + x["target"].sum(dim=0)
    told = 0
    for i in range(40):
        text = Names(changed).shared_columns(
            "attribute", [("source", i), ("target", i)]
        )
        both = (x["source"][i] & x["target"][i]).nonzero().flatten().tolist()
        both.sort(key=lambda column: (int(count[column]), column))
        more = f" and {len(both) - 3} more" if len(both) > 3 else ""
        assert text == ", ".join(map(str, both[:3])) + more
        told += bool(both)
    assert told > 10
    assert Names(data).shared_columns("attribute", [("source", 0), ("target", 0)]) == ""
    aligner = Aligner(**SMALL).fit(changed)
    texts = [
        c.text
        for why in aligner.explain_all(aligner.align())
        for c in why.contributions
        if c.name == "attribute"
    ]
    assert any("; both have " in text for text in texts)


class Own(torch.nn.Module):
    """A model that is not joined from modalities."""

    def __init__(self, sizes):
        super().__init__()
        self.table = torch.nn.ParameterDict(
            {kg: torch.randn(n, 6) for kg, n in sizes.items()}
        )

    def forward(self, data, entities=None, graph=None, withhold=False):
        from pyg_ibmea.nn import IBMEAOutput

        return IBMEAOutput({kg: self.table[kg][ids] for kg, ids in entities.items()})


def test_a_model_of_your_own_is_explained_as_a_whole(data):
    model = Own({kg: data[kg].num_nodes for kg in PAIR})
    aligner = Aligner(model=model, decoder="csls", **SMALL).fit(data)
    match = aligner.align()[0]
    why = aligner.explain(match.source)
    names = {c.name for c in why.contributions if c.kind == "modality"}
    assert names == {"embedding"}
    total = sum(c.value for c in why.contributions)
    assert total == pytest.approx(match.score, abs=2e-5)


def test_three_graphs():
    data = three_graphs()
    aligner = Aligner(**SMALL).fit(data)
    matches = aligner.align()
    for match in [matches[0], matches[len(matches) - 1]]:
        why = aligner.explain(match.source, graphs=match.graphs)
        assert (why.source_graph, why.target_graph) == match.graphs
        total = sum(c.value for c in why.contributions)
        assert total == pytest.approx(match.score, abs=2e-5)


def test_a_pair_that_was_answered_different_says_so(data):
    data = copy.copy(data)
    plain = Aligner(**SMALL).fit(data).align()
    i, j = int(plain.source[3]), int(plain.target[3])
    data["source", "same_as", "target"].different = torch.tensor([[i], [j]])
    aligner = Aligner(**SMALL).fit(data)
    matches = aligner.align()
    given = zip(matches.source.tolist(), matches.target.tolist(), strict=True)
    assert (i, j) not in set(given)
    why = aligner.explain(plain[3].source, plain[3].target)
    *_, last = why.contributions
    assert (last.name, last.text) == ("answer", "known as different")
    assert last.value < -5
    assert sum(c.value for c in why.contributions) == pytest.approx(why.score)
