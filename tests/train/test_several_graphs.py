"""Three graphs at once, from links to clusters."""

import json

import pytest
from three_graphs import three_graphs

from pyg_ibmea import Aligner
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import PARTS, linked_pairs, links_of, pair_problems, seed_pairs
from pyg_ibmea.train import Objective, Options
from pyg_ibmea.train._figures import mean_figures
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import Training

OPTIONS = Options.of(
    epochs=8, eval_every=2, graph_channels=16, modal_channels=8, beta=1e-3, lr=0.02,
    iterative=True, propose_from=4, propose_every=1, propose_threshold=0.3,
    propose_easing=0, refits=1, refit_epochs=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    data = three_graphs()
    out = tmp_path_factory.mktemp("joint") / "run"
    aligner = Aligner(options=OPTIONS, device="cpu", progress=False).fit(data, out)
    return data, out, aligner.metrics(), aligner


def table(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines]


def test_links_between_the_others_follow():
    data = three_graphs(ratio=0.5, val_ratio=0.4)
    assert set(linked_pairs(data)) == {("a", "b"), ("a", "c"), ("b", "c")}
    counts = {
        tuple(links_of(p, part).size(1) for part in PARTS)
        for _, p in pair_problems(data)
    }
    assert counts == {(18, 12, 30)}


def test_figures_of_each_pair_and_their_means(trained):
    data, out, metrics, aligner = trained
    written = json.loads((out / "metrics.json").read_text())
    assert written.pop("peak_rss_mb") > 10
    assert written.pop("best_epoch") == aligner.best_epoch_
    assert written.pop("seconds") == aligner.seconds_
    assert written == metrics
    assert list(metrics["pairs"]) == [" - ".join(p) for p in linked_pairs(data)]
    for part in ("test", "val"):
        each = [figures[part]["csls"]["mean"]["mrr"]
                for figures in metrics["pairs"].values()]  # fmt: skip
        assert metrics[part]["csls"]["mean"]["mrr"] == pytest.approx(sum(each) / 3)
        # Also without what neighbours say.
        each = [
            figures["vectors_alone"][part]["csls"]["mean"]["mrr"]
            for figures in metrics["pairs"].values()
        ]
        alone = metrics["vectors_alone"][part]["csls"]["mean"]["mrr"]
        assert alone == pytest.approx(sum(each) / 3)
    # Guessing would give 1 in 30; that the looks are read, more than half.
    assert metrics["test"]["sinkhorn"]["mean"]["hits@1"] > 0.6
    for figures in metrics["pairs"].values():
        assert figures["confidence"]["calibrated"]
        assert figures["pseudo_seeds"]["pairs"] > 0


def test_alignment_and_pseudo_seeds_name_the_graphs(trained):
    data, out, _, _ = trained
    rows = table(out / "alignment.tsv")
    assert rows[0][-2:] == ["source_graph", "target_graph"]
    found = {tuple(row[-2:]) for row in rows[1:]}
    assert found == set(linked_pairs(data))
    for row in rows[1:]:  # Entities are named after their graph.
        assert (row[0][0], row[1][0]) == tuple(row[-2:])
    for row in table(out / "pseudo_seeds.tsv")[1:]:
        assert (row[0][0], row[1][0]) == tuple(row[2:])


def test_clusters_keep_what_is_known_and_never_two_of_a_graph(trained):
    data, out, metrics, _ = trained
    rows = table(out / "clusters.tsv")
    assert rows[0] == ["a", "b", "c", "confidence"]
    assert len(rows) - 1 == metrics["clusters"]["clusters"]
    for column in range(3):
        named = [row[column] for row in rows[1:] if row[column]]
        assert len(set(named)) == len(named)
    known = {
        (data.uri[pair[0]][i], data.uri[pair[1]][j])
        for pair, problem in pair_problems(data)
        for part in ("train", "val")
        for i, j in links_of(problem, part).t().tolist()
    }
    together = {(x, y) for row in rows[1:] for x in row[:3] for y in row[:3]}
    assert known <= together


def test_what_the_clusters_repair_is_counted_by_hand(trained):
    data, out, metrics, _ = trained
    clusters = [row[:3] for row in table(out / "clusters.tsv")[1:]]
    matches = table(out / "alignment.tsv")[1:]
    for pair, problem in pair_problems(data):
        true = {
            data.uri[pair[0]][i]: data.uri[pair[1]][j]
            for i, j in links_of(problem, "test").t().tolist()
        }
        sides = ["abc".index(name) for name in pair]
        by_cluster = {row[sides[0]]: row[sides[1]] for row in clusters if row[sides[1]]}
        by_match = {row[0]: row[1] for row in matches if tuple(row[-2:]) == pair}
        figures = metrics["clusters"]["pairs"][" - ".join(pair)]
        for kind, found in (("clusters", by_cluster), ("matches", by_match)):
            given = {entity: found[entity] for entity in true if entity in found}
            right = sum(true[entity] == match for entity, match in given.items())
            assert figures[kind]["precision"] == pytest.approx(right / len(given))
            assert figures[kind]["recall"] == pytest.approx(right / len(true))
    assert 0 < metrics["clusters"]["cycle_consistency"] <= 1


def test_models_are_loaded_and_say_the_same(trained, tmp_path):
    data, out, _, aligner = trained
    before = (out / "alignment.tsv").read_text()
    loaded = Aligner.load(out, data, device="cpu")
    for matches in (loaded.align(), aligner.align()):
        matches.save(tmp_path / "alignment.tsv")
        assert (tmp_path / "alignment.tsv").read_text() == before


def test_an_epoch_has_the_steps_of_two_of_three_pairs():
    data = three_graphs()
    model = IBMEA.from_data(data, options=OPTIONS.model)
    objective = Objective.from_options(OPTIONS.loss, model.modalities)
    training = Training(data, model, objective, OPTIONS, MemoryLog())
    seen = {pair: set() for pair in linked_pairs(data)}
    for _ in range(12):
        batches = training._batches(training._links())
        assert len(batches) == 8  # Of three times four; a batch withholds 30 %.
        found = [(pair, *two) for pair, ids in batches for two in ids.t().tolist()]
        assert len(set(found)) == len(found)  # None twice in an epoch.
        for pair, ids in batches:
            seen[pair] |= {tuple(two) for two in ids.t().tolist()}
    for pair, links in seed_pairs(data).items():
        assert seen[pair] == {tuple(two) for two in links.t().tolist()}


def test_means_leave_out_what_is_missing():
    figures = [{"a": {"b": 1.0, "c": 4.0}}, {"a": {"b": 3.0}, "d": 5.0}]
    assert mean_figures(figures) == {"a": {"b": 2.0, "c": 4.0}, "d": 5.0}
