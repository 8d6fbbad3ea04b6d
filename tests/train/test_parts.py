"""Training in parts: the same steps where a part is all there is, and the same run
after an interrupt.
"""

import os
import signal
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import links_of, seed_pairs, triples_of
from pyg_ibmea.train import (
    Objective,
    Options,
    RunFolder,
    Stopped,
    _checkpoint,
    _parts,
    _training,
)
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._parts import Parts
from pyg_ibmea.train._tables import Tables
from pyg_ibmea.train._training import Training

pytest.importorskip("pymetis")
# Notes for a user, which few epochs on few entities earn.
pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
PAIR = ("source", "target")
OPTIONS = Options.of(
    epochs=6, eval_every=2, graph_channels=8, modal_channels=4, iterative=True,
    propose_from=2, propose_every=1, propose_first_threshold=0.2,
    propose_threshold=0.2, parts=2,
)  # fmt: skip


def new_training(data, log=None, options=OPTIONS, seed=0):
    torch.manual_seed(seed)
    model = IBMEA.from_data(data, options=options.model)
    objective = Objective.from_options(options.loss, model.modalities)
    log = MemoryLog() if log is None else log
    return Training(data, model, objective, options, log, progress=False)


def batches_of(training):
    return [(step, step.links) for step in training._steps()]


def global_links(step, ids):
    """The links of a step, as node ids of the whole problem."""
    return torch.stack([ids[kg][step.links[i]] for i, kg in enumerate(step.pair)])


@pytest.fixture
def parts_seen(monkeypatch):
    """The node ids of all parts, in the order in which they were made."""
    seen = []
    part_problem = _parts.part_problem

    def remembered(data, members):
        part, ids = part_problem(data, members)
        seen.append((part, ids, members))
        return part, ids

    monkeypatch.setattr(_parts, "part_problem", remembered)
    return seen


class TestWhichParts:
    def test_small_problems_and_one_part_are_whole(self, data, model):
        assert Parts.of(model, data, 0) is None
        assert Parts.of(model, data, 1) is None
        assert Parts.of(model, data, 3).number == 3

    def test_large_problems_are_cut_by_size(self, data, model, monkeypatch):
        monkeypatch.setattr(_parts, "_WHOLE", 240)
        assert Parts.of(model, data, 0) is None
        monkeypatch.setattr(_parts, "_WHOLE", 239)
        monkeypatch.setattr(_parts, "_PART", 100)
        assert Parts.of(model, data, 0).number == 3
        assert Parts.of(model, data, 1) is None

    def test_without_the_graph_there_is_nothing_to_cut(self, data, monkeypatch):
        model = IBMEA.from_data(data, modalities=["image"])
        with pytest.warns(UserWarning, match="parts is ignored"):
            assert Parts.of(model, data, 4) is None
        monkeypatch.setattr(_parts, "_WHOLE", 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Parts.of(model, data, 0) is None

    def test_a_model_of_ones_own_needs_what_parts_use(self, data, monkeypatch):
        with pytest.raises(ValueError, match=r"Linear lacks .* parts=1"):
            Parts.of(nn.Linear(1, 1), data, 2)
        monkeypatch.setattr(_parts, "_WHOLE", 1)
        assert Parts.of(nn.Linear(1, 1), data, 0) is None

    def test_what_to_install_is_told_at_once(self, data, model, monkeypatch):
        monkeypatch.setitem(sys.modules, "pymetis", None)
        with pytest.raises(ImportError, match=r"pyg_ibmea\[scale\].*--parts 1"):
            Parts.of(model, data, 2)
        assert Parts.of(model, data, 0) is None

    def test_the_option_is_checked(self):
        with pytest.raises(ValueError, match="parts must be non-negative, got -1"):
            Options.of(parts=-1)


@pytest.mark.parametrize("share_seeds", [True, False])
def test_one_part_that_is_everything_learns_as_the_whole(
    data, monkeypatch, share_seeds
):
    """Batches, noise, dropout and both optimisers are then the same."""
    options = OPTIONS.replace(iterative=False, share_seeds=share_seeds, clip_norm=0.1)
    monkeypatch.setattr(Parts, "_groups", lambda _: [torch.arange(4)])
    monkeypatch.setattr(Parts, "slower", lambda *_: 1.0)
    trainings = [new_training(data, options=options.replace(parts=p)) for p in (1, 2)]
    assert [training.parts is None for training in trainings] == [True, False]
    for training in trainings:
        torch.manual_seed(1)
        training.graph = _training.graph_of(training.state.model, data)
        training._cut()
        for epoch in (1, 2, 3):
            training.state.epoch = epoch
            losses = training.train_epoch()
            training.state.update_average()
        training.losses = losses
    whole, parted = trainings
    assert parted.losses == pytest.approx(whole.losses, rel=1e-4)
    for name in ("model", "average"):
        one, other = (getattr(t.state, name).state_dict() for t in trainings)
        for key, value in one.items():
            torch.testing.assert_close(other[key], value, rtol=1e-3, atol=1e-4)


def test_each_seed_pair_is_in_one_batch_of_an_epoch(data, parts_seen):
    training = new_training(data)
    pseudo = links_of(data, "test")[:, :9]
    training.begin_with({PAIR: pseudo})
    training._cut()
    found, groups = [], set()
    for step in training._steps():
        _, ids, members = parts_seen[-1]
        found.append(global_links(step, ids))
        groups.add(len(parts_seen))
        for kg in PAIR:
            there = torch.isin(found[-1][PAIR.index(kg)], members[kg])
            assert there.all()
    expected = torch.cat([links_of(data, "train"), pseudo], dim=1)
    as_lists = [sorted(ids.t().tolist()) for ids in (torch.cat(found, 1), expected)]
    assert as_lists[0] == as_lists[1]
    assert groups == {1, 2}
    # All entities were members once.
    for kg in PAIR:
        every = torch.cat([members[kg] for _, _, members in parts_seen])
        assert every.sort().values.equal(torch.arange(120))


def test_clusters_are_joined_differently_in_every_epoch(data, parts_seen):
    training = new_training(data)
    training._cut()
    for _ in range(4):
        list(training._steps())
    joined = {tuple(members["source"].tolist()) for _, _, members in parts_seen}
    assert len(joined) > 2


def test_only_the_rows_of_a_part_are_changed_and_the_average_follows(data):
    training = new_training(data, options=OPTIONS.replace(warmup_epochs=0))
    training._cut()
    table = training.state.model.embedding.weight
    before, average = table.detach().clone(), training.state.average.embedding.weight
    assert average.equal(before)
    assert average.data_ptr() != table.data_ptr()
    steps = training.parts.steps(
        training.state.model,
        training.state.rows,
        training._links(),
        training._batches,
    )
    step = next(steps)
    assert step.rows.weight.equal(before[step.rows.index])
    step.rows.weight.sum().backward()
    training.state.step(step.rows)
    for _ in steps:  # Without a gradient, nothing more is learned.
        pass
    changed = (table != before).any(dim=1).nonzero().flatten()
    assert changed.tolist() == step.rows.index.tolist()
    assert 0 < len(changed) < len(table)
    training.state.epoch = 1
    training.state.update_average()
    torch.testing.assert_close(average, before.lerp(table, 9 / 11))


@pytest.mark.parametrize(
    ("pairs", "parts", "expected"),
    [
        ([4050], 4, 4 / 16),  # A batch has 30 % of the pairs at most.
        ([270_000], 40, 36 / 160),  # Batches of 7 500 and of 1 688.
        ([3_000_000], 40, 400 / 400),  # All of 7 500.
        ([4050, 0, 8000], 2, 8 / 16),
        ([3], 3, 3 / 3),  # One pair each.
        ([], 2, 0.0),
    ],
)
def test_encoders_go_as_far_in_an_epoch_as_on_the_whole(
    data, model, pairs, parts, expected
):
    found = Parts(model, data, parts).slower(pairs, Options().training)
    assert found == pytest.approx(expected)


def test_the_table_learns_at_the_rate_of_the_options(data, monkeypatch):
    """The encoders at another."""
    monkeypatch.setattr(Parts, "slower", lambda *_: 0.5)
    options = OPTIONS.replace(warmup_epochs=0, weight_decay=0.0, lr=0.01, parts=4)
    training = new_training(data, options=options)
    training._cut()
    state, rates = training.state, {}
    step = next(iter(training._steps()))
    before = {n: w.detach().clone() for n, w in state.model.named_parameters()}
    rows = step.rows.weight.detach().clone()
    for weight in step.model.parameters():
        weight.grad = torch.ones_like(weight)
    state.step(step.rows)
    # The first step of Adam is its learning rate.
    torch.testing.assert_close(rows - step.rows.weight, torch.full_like(rows, 0.01))
    for name, weight in state.model.named_parameters():
        if weight.grad is not None:
            rates[name] = float((before[name] - weight.detach()).mean())
    assert len(rates) > 5
    assert list(rates.values()) == pytest.approx([0.005] * len(rates), rel=1e-3)


def stop_after(training, epoch, monkeypatch):
    """A signal comes while an epoch is trained."""
    train_epoch = training.train_epoch

    def interrupted():
        if training.state.epoch == epoch:
            os.kill(os.getpid(), signal.SIGINT)
        return train_epoch()

    monkeypatch.setattr(training, "train_epoch", interrupted)


@pytest.mark.parametrize("mapped", [False, True], ids=["in memory", "in files"])
def test_interrupted_and_resumed_bit_for_bit(data, tmp_path, monkeypatch, mapped):
    if mapped:
        monkeypatch.setattr(_training, "Tables", lambda path: Tables(path, large=0))
        monkeypatch.setattr(_checkpoint, "_LARGE", 0)
    whole = new_training(data, RunFolder(tmp_path / "whole", {}))
    expected = whole.run()
    assert expected.best_pseudo_seeds[PAIR].size(1) > 5
    first = new_training(data, RunFolder(tmp_path / "run", {}))
    stop_after(first, 3, monkeypatch)
    with pytest.raises(Stopped):
        first.run()
    resumed = new_training(data, RunFolder(tmp_path / "run", {}, resume=True), seed=77)
    found = resumed.run()
    assert found.best_epoch == expected.best_epoch
    assert found.best_value == expected.best_value
    one, other = (state.model.state_dict() for state in (found, expected))
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.equal(other[name]), name
    assert not any(".table." in path.name for path in Path(tmp_path).rglob("*"))


def test_better_weights_later_leave_the_checkpoint_as_it_was(data):
    training = new_training(data)
    training.state.offer(0.5)
    checkpoint = training.state.state_dict()
    resumed = new_training(data, seed=1).state
    resumed.load_state_dict(checkpoint)
    kept = checkpoint["best_weights"]["embedding.weight"]
    before = kept.clone()
    resumed.average.embedding.weight.zero_()
    assert resumed.offer(0.7)
    assert not resumed.best_weights["embedding.weight"].any()
    assert kept.equal(before)


def test_where_tables_lie_changes_no_bit(data, monkeypatch):
    states = []
    for large in (1 << 30, 0):
        monkeypatch.setattr(
            _training, "Tables", lambda path, large=large: Tables(path, large)
        )
        states.append(new_training(data).run())
    one, other = (state.model.state_dict() for state in states)
    for name, value in one.items():
        assert value.equal(other[name]), name
    assert states[0].rows is None  # Freed.


def test_pairs_that_were_adopted_are_cut_together(data):
    training = new_training(data)
    training._cut()
    pairs = links_of(data, "test")
    clusters = training.parts.clusters
    assert not clusters["source"][pairs[0]].equal(clusters["target"][pairs[1]])
    training.begin_with({PAIR: pairs})
    training._cut()
    clusters = training.parts.clusters
    assert clusters["source"][pairs[0]].equal(clusters["target"][pairs[1]])


def test_from_the_front_door_with_refits(data, tmp_path):
    options = OPTIONS.replace(refits=1, refit_epochs=2)
    aligner = Aligner(options=options, progress=False, device="cpu")
    aligner.fit(data, tmp_path / "run")
    again = Aligner.load(tmp_path / "run", data, device="cpu")
    assert again.options.training.parts == 2
    for one, other in ((aligner.embed(), again.embed()),):
        for kg in PAIR:
            assert one[kg].size(0) == 120
            assert one[kg].equal(other[kg])
    assert len(again.align()) == len(aligner.align()) > 0


def test_parts_learn_to_align():
    data = SyntheticMMKG(num_entities=300)[0]
    aligner = Aligner(
        epochs=10, graph_channels=32, modal_channels=16, parts=3, progress=False,
        device="cpu",
    ).fit(data)  # fmt: skip
    assert aligner.evaluate("val")["csls"]["hits@1"] > 0.8


def test_three_graphs_one_without_triples(data):
    data["third"].num_nodes = 40
    for key, value in data["target"].to_dict().items():
        if key.startswith(("x_", "mask_")):
            data["third"][key] = value.index_select(0, torch.arange(40))
    data.uri["third"] = [f"third/{i}" for i in range(40)]
    triples_of(data, "third").edge_index = torch.empty(2, 0, dtype=torch.long)
    triples_of(data, "third").edge_type = torch.empty(0, dtype=torch.long)
    store = data["target", "same_as", "third"]
    store.edge_index = torch.arange(40).expand(2, 40).contiguous()
    number = torch.arange(40)
    store.train_mask, store.val_mask = number < 20, (number >= 20) & (number < 25)
    store.test_mask = number >= 25
    training = new_training(data, options=OPTIONS.replace(iterative=False, epochs=2))
    training.run()
    pairs = {step.pair for step in training._steps()}
    assert pairs <= set(seed_pairs(data))
    assert training.state.best_epoch
