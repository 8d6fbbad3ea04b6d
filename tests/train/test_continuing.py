"""A training that goes on from a run: what it starts with, and that it obeys."""

import pytest
import torch

from pyg_ibmea.aligner import Aligner
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import different_of, links_between, links_of
from pyg_ibmea.train import (
    Answer,
    Options,
    append_answers,
    evaluate,
    propose_pairs,
    with_answers,
)
from pyg_ibmea.train.continuing import known_answers, read_pseudo_seeds, start_from

PAIR = ("source", "target")
SMALL = {
    "epochs": 3,
    "eval_every": 3,
    "graph_channels": 16,
    "modal_channels": 8,
    "iterative": True,
    "propose_from": 2,
    "propose_every": 1,
    "propose_easing": 0,
    "propose_threshold": 0.2,
}
pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")


def answer(data, i, j, kind):
    return Answer(*PAIR, data.uri["source"][i], data.uri["target"][j], kind)


@pytest.fixture
def run(data, tmp_path):
    Aligner(**SMALL, device="cpu", progress=False).fit(data, tmp_path / "run")
    return tmp_path / "run"


def test_what_a_run_leaves_to_the_next(data, run):
    adopted = read_pseudo_seeds(run / "pseudo_seeds.tsv", data)[PAIR]
    assert adopted.size(1) > 4
    (i, j), (k, other) = adopted[:, :2].t().tolist()
    wrong = int(adopted[1, 2])
    append_answers(run, [answer(data, i, j, "different")])
    append_answers(run, [answer(data, k, wrong, "same")])
    start = start_from(run, data)
    begun = start.pseudo_seeds[PAIR].t().tolist()
    # Neither the pair that is different, nor those against a pair that is the same.
    dropped = [[i, j], [k, other], [int(adopted[0, 2]), wrong]]
    assert begun == [two for two in adopted.t().tolist() if two not in dropped]
    assert start.about == {"continues": str(run), "answers": 2}
    assert (start.problem.same, start.problem.different) == (1, 1)


@pytest.mark.filterwarnings("ignore:answers that contradict a test pair")
def test_it_starts_with_them_and_ends_without_what_is_different(data, run):
    first = Aligner.load(run, data, progress=False, device="cpu").align()
    wrong = [(int(first.source[n]), int(first.target[n])) for n in range(0, 40, 2)]
    answers = [answer(data, *two, "different") for two in wrong]
    second = Aligner.proceed(
        run, data, run.parent / "2", answers, progress=False, device="cpu"
    )
    found = second.align()
    pairs = set(zip(found.source.tolist(), found.target.tolist(), strict=True))
    assert not pairs & set(wrong)
    assert len(pairs) == len(first)  # Each has another match.
    assert second.options == Options().replace(**SMALL)
    adopted = read_pseudo_seeds(run.parent / "2" / "pseudo_seeds.tsv", data)[PAIR]
    assert not {tuple(two) for two in adopted.t().tolist()} & set(wrong)
    assert adopted.size(1) > 0


def test_pseudo_seeds_are_learned_from_in_the_first_epoch(data):
    """Before anything is proposed: as if they were training pairs."""
    seeds, more = links_of(data, "train"), links_of(data, "val")
    options = {**SMALL, "epochs": 1, "eval_every": 1, "progress": False}
    alone = Aligner(**options).fit(data)
    begun = Aligner(**options).fit(data, pseudo_seeds={PAIR: more[:, :2]})
    trained = begun._states.judged[0]
    assert trained.best_pseudo_seeds[PAIR].tolist() == more[:, :2].tolist()
    assert alone.history_[0]["loss"] != begun.history_[0]["loss"]
    assert seeds.size(1) == links_of(data, "train").size(1)


def test_a_forbidden_pair_is_never_proposed(data, model):
    for _ in range(4):  # What is proposed then is forbidden, too.
        found = propose_pairs(model, data, threshold=0.0)
        assert found.size(1) > 10
        store = links_between(data, PAIR)
        before = {tuple(two) for two in different_of(data).t().tolist()}
        assert not before & {tuple(two) for two in found.t().tolist()}
        store.different = torch.cat([different_of(data), found], dim=1)


def test_validation_obeys(data):
    """A known pair cannot be different, but its rivals can."""
    torch.manual_seed(0)
    model = IBMEA.from_data(data, graph_channels=16, modal_channels=8)
    before = evaluate(model, data, "val", ["cosine"], "unaligned")["cosine"]
    assert before["mr"] > 2
    links = links_of(data, "val")
    everyone = torch.arange(int(data["target"].num_nodes))
    grid = torch.cartesian_prod(links[0], everyone).t()
    keep = (grid[1] != links[1].repeat_interleave(len(everyone))).nonzero().flatten()
    links_between(data, PAIR).different = grid[:, keep]
    after = evaluate(model, data, "val", ["cosine"], "unaligned")["cosine"]
    assert after["mr"] == 1.0


def test_a_run_that_has_not_ended(data, run):
    (run / "metrics.json").unlink()
    with pytest.raises(FileNotFoundError, match="the run has not ended"):
        start_from(run, data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\n", "line 1: expected the columns source, target"),
        ("HEAD x\ty\n", "line 2: not a pair of linked graphs"),
        ("HEAD x\ty\tsource\tsource\n", "line 2: not a pair of linked graphs"),
        ("HEAD no\ty\tsource\ttarget\n", "line 2: graph 'source' has no entity 'no'"),
    ],
)
def test_damaged_pseudo_seeds(data, tmp_path, text, message):
    path = tmp_path / "pseudo_seeds.tsv"
    head = "source\ttarget\tsource_graph\ttarget_graph\n"
    path.write_text(text.replace("HEAD ", head))
    with pytest.raises(ValueError, match=message):
        read_pseudo_seeds(path, data)


def test_answers_that_are_gone(data, tmp_path):
    append_answers(tmp_path, [answer(data, 0, 1, "same")])
    assert known_answers(tmp_path, {}) == []
    assert len(known_answers(tmp_path, {"answers": 1})) == 1
    with pytest.raises(ValueError, match="has 1 answers, but the run learned from 2"):
        known_answers(tmp_path, {"answers": 2})
    # Killed before it wrote them: those of the run before.
    new = tmp_path / "new"
    assert len(known_answers(new, {"answers": 1}, before=tmp_path)) == 1


def test_contradictions_are_warned_of(data, run):
    answers = [answer(data, 0, 1, "same"), answer(data, 0, 1, "different")]
    with pytest.warns(UserWarning, match="call a pair the same and different: 1 pair"):
        Aligner.proceed(run, data, answers=answers, progress=False, device="cpu")


def test_without_pseudo_seeds_it_learns_from_the_answers(data, tmp_path):
    options = {**SMALL, "iterative": False, "epochs": 1, "eval_every": 1}
    Aligner(**options, progress=False).fit(data, tmp_path / "run")
    assert start_from(tmp_path / "run", data).pseudo_seeds is None
    i, j = links_of(data, "test")[:, 0].tolist()
    answers = [answer(data, i, j, "same")]
    found = Aligner.proceed(tmp_path / "run", data, answers=answers, progress=False)
    assert i not in found.align().source
    known = with_answers(data, answers).data
    assert links_of(known, "train").size(1) == links_of(data, "train").size(1) + 1
