"""One training: interrupted and resumed, selecting, with parts of one's own."""

import os
import signal
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pyg_ibmea.align import Cosine
from pyg_ibmea.nn import IBMEA, IBMEAOutput
from pyg_ibmea.problem import links_of
from pyg_ibmea.train import Objective, Options, RunFolder, Stopped, evaluate, evaluation
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import Training, fusion_weights, graph_of

# Notes for a user, which few epochs on few entities earn.
pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
OPTIONS = Options.of(
    epochs=6, eval_every=2, graph_channels=8, modal_channels=4, iterative=True,
    propose_from=2, propose_every=1, propose_first_threshold=0.2,
    propose_threshold=0.2, refits=0,
)  # fmt: skip
PAIR = ("source", "target")


class Learned(nn.Module):
    """InfoNCE at a temperature that is learned, with a count of its calls."""

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, source, target):
        self.calls += 1
        cosine = F.normalize(source) @ F.normalize(target).t()
        return F.cross_entropy(self.log_scale.exp() * cosine, torch.arange(len(cosine)))


def new_training(data, log, options=OPTIONS, hybrid=None, seed=0, **given):
    torch.manual_seed(seed)
    model = IBMEA.from_data(data, options=options.model)
    objective = Objective.from_options(options.loss, model.modalities, hybrid=hybrid)
    return Training(data, model, objective, options, log, progress=False, **given)


def stop_after(training, epoch, monkeypatch):
    """A signal comes while an epoch is trained."""
    train_epoch = training.train_epoch

    def interrupted():
        if training.state.epoch == epoch:
            os.kill(os.getpid(), signal.SIGINT)
        return train_epoch()

    monkeypatch.setattr(training, "train_epoch", interrupted)


def assert_same(one, other):
    """Bit for bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.equal(other[name]), name


# With an evaluation at its end, and without.
@pytest.mark.parametrize("epoch", [2, 3])
@pytest.mark.parametrize("hybrid", [None, Learned], ids=["ours", "own loss"])
def test_interrupted_and_resumed_bit_for_bit(
    data, tmp_path, monkeypatch, epoch, hybrid
):
    def new(log, seed=0):
        return new_training(data, log, hybrid=hybrid and hybrid(), seed=seed)

    whole = new(RunFolder(tmp_path / "whole", {}))
    expected = whole.run()
    assert expected.best_pseudo_seeds[PAIR].size(1) > 5

    folder = RunFolder(tmp_path / "run", {})
    first = new(folder)
    stop_after(first, epoch, monkeypatch)
    with pytest.raises(Stopped) as stopped:
        first.run()
    assert first.state.epoch == epoch  # Begun, and to be done again.
    kept = folder.load_checkpoint()["epoch"]
    assert str(stopped.value) == f"epoch {kept} of {folder.path}"
    assert epoch - OPTIONS.training.eval_every <= kept < epoch
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed = new(RunFolder(tmp_path / "run", {}, resume=True), seed=77)
    found = resumed.run()
    assert found.best_epoch == expected.best_epoch
    assert found.best_value == expected.best_value
    assert_same(found.model.state_dict(), expected.model.state_dict())
    assert_same(found.best_pseudo_seeds, expected.best_pseudo_seeds)
    assert_same(resumed.objective.state_dict(), whole.objective.state_dict())
    lines, again = (
        [{**line, "seconds": 0} for line in log.read_metrics()]
        for log in (whole.log, folder)
    )
    assert lines == again
    if hybrid is not None:
        # It was learned, in every step of all epochs: four batches at least.
        learned = resumed.objective.hybrid
        assert learned.log_scale != 2.0
        assert learned.calls >= 4 * OPTIONS.training.epochs


def test_checkpoint_holds_what_a_loss_has_learned(data, tmp_path):
    folder = RunFolder(tmp_path / "run", {})
    training = new_training(data, folder, hybrid=Learned())
    training.run()
    saved = torch.load(folder.path / "checkpoint.pt", weights_only=True)
    assert_same(saved["objective"], training.objective.state_dict())
    plain = new_training(data, RunFolder(tmp_path / "plain", {}))
    plain.run()
    path = tmp_path / "plain" / "checkpoint.pt"
    assert "objective" not in torch.load(path, weights_only=True)


def test_steps_of_a_loss_are_those_of_the_optimiser(data):
    """AdamW by its definition, on the one parameter of the loss."""
    options = OPTIONS.replace(
        lr=0.05, weight_decay=0.1, warmup_epochs=0, iterative=False
    )
    training = new_training(data, MemoryLog(), options, Learned())
    scale = training.objective.hybrid.log_scale
    grads = []
    scale.register_hook(lambda grad: grads.append(float(grad)))
    training.state.epoch = 1
    training.train_epoch()
    value = 2.0
    first = second = 0.0
    for step, grad in enumerate(grads, start=1):
        value -= 0.05 * 0.1 * value
        first = 0.9 * first + 0.1 * grad
        second = 0.999 * second + 0.001 * grad**2
        unbiased = second / (1 - 0.999**step)
        value -= 0.05 * first / (1 - 0.9**step) / (unbiased**0.5 + 1e-8)
    assert len(grads) == 4  # A batch withholds 30 % of the pairs.
    assert scale.item() == pytest.approx(value, rel=1e-5)


def test_epochs_are_kept_as_long_as_that_takes_a_small_share_of_the_time(
    data, tmp_path, monkeypatch
):
    """A clock that only goes on when a checkpoint is written or an epoch trained."""
    now, kept = [0.0], []
    monkeypatch.setattr("pyg_ibmea.train._training.time.monotonic", lambda: now[0])

    def run(seconds_of_epoch, seconds_of_checkpoint):
        kept.clear()
        folder = RunFolder(tmp_path / f"{seconds_of_checkpoint}", {})
        training = new_training(data, folder, OPTIONS.replace(eval_every=5))
        train_epoch, save = training.train_epoch, folder.save_checkpoint

        def train():
            now[0] += seconds_of_epoch
            return train_epoch()

        def keep(state):
            now[0] += seconds_of_checkpoint
            kept.append(state["epoch"])
            save(state)

        monkeypatch.setattr(training, "train_epoch", train)
        monkeypatch.setattr(folder, "save_checkpoint", keep)
        training.run()
        return kept

    assert run(60.0, 1.0) == [1, 2, 3, 4, 5, 6]
    # A share of 1 / 50 of the time: only every second epoch is long enough.
    assert run(60.0, 2.0) == [1, 3, 5, 6]
    # What has an evaluation is always kept.
    assert run(60.0, 60.0) == [1, 5, 6]


def test_interrupted_without_a_folder(data, monkeypatch):
    training = new_training(data, MemoryLog())
    stop_after(training, 1, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match=r"^epoch 0$"):
        training.run()


def test_epoch_is_chosen_by_the_mean_reciprocal_rank(data):
    log = MemoryLog()
    options = OPTIONS.replace(iterative=False, eval_every=1)
    state = new_training(data, log, options).run()
    ranks = [line["val"]["mrr"] for line in log.read_metrics()]
    assert len(ranks) == 6
    assert state.best_epoch == 1 + ranks.index(max(ranks))
    found = evaluate(state.model, data, "val", candidates="unaligned")
    assert found["csls"]["mean"]["mrr"] == max(ranks)
    weights = log.read_metrics()[state.best_epoch - 1]["weights"]
    assert weights == fusion_weights(state.model)
    assert sum(weights.values()) == pytest.approx(1)


def test_proposals_share_the_cosines_of_the_validation_before_them(data, monkeypatch):
    encoded = []
    encode_entities = evaluation.encode_entities

    def counted(model, *args):
        encoded.append(model)
        return encode_entities(model, *args)

    monkeypatch.setattr(evaluation, "encode_entities", counted)
    # Before epochs 3 and 5: both just after a validation, or only the first.
    found, counts = [], []
    options = OPTIONS.replace(propose_from=3, propose_every=2, propose_window=1)
    for every in (2, 4):
        encoded.clear()
        state = new_training(data, MemoryLog(), options.replace(eval_every=every)).run()
        found.append(state.pseudo_seeds.pairs)
        counts.append(len(encoded))
    assert counts == [3, 2 + 1]
    [[one], [other]] = ([*pairs.values()] for pairs in found)
    assert one.size(1) > 5
    assert one.equal(other)


def test_epoch_is_chosen_by_a_decoder_of_ones_own(data):
    log = MemoryLog()
    options = OPTIONS.replace(iterative=False, eval_every=1)
    state = new_training(data, log, options, decoder=Cosine()).run()
    found = evaluate(state.model, data, "val", ["cosine"], "unaligned")
    line = log.read_metrics()[state.best_epoch - 1]
    assert found["cosine"]["mean"] == line["val"]
    assert found != evaluate(state.model, data, "val", ["csls"], "unaligned")


def test_without_validation_pairs_the_last_weights_are_kept(data):
    store = data["source", "same_as", "target"]
    store.train_mask |= store.val_mask
    store.val_mask = torch.zeros_like(store.val_mask)
    log = MemoryLog()
    state = new_training(data, log).run()
    assert state.best_epoch == OPTIONS.training.epochs
    assert log.read_metrics() == []


@pytest.mark.parametrize(("patience", "iterative"), [(1, False), (2, False), (2, True)])
def test_patience_ends_a_training_where_nothing_better_comes(
    data, patience, iterative, tmp_path
):
    options = OPTIONS.replace(epochs=40, lr=0.1, eval_every=1, iterative=iterative,
                              propose_from=9, propose_every=3)  # fmt: skip
    log, waited = MemoryLog(), options.replace(patience=patience)
    state = new_training(data, log, waited).run()
    lines = log.read_metrics()
    mrr = [line["val"]["mrr"] for line in lines]
    # The first run of evaluations that is long enough and has nothing better.
    first = 9 if iterative else 0
    ends = [
        epoch
        for epoch in range(1, 41)
        if epoch - max(first, mrr.index(max(mrr[:epoch])) + 1) == patience
    ]
    assert state.epoch == len(lines) == ends[0] < 40
    # Up to then it is the training of the same length.
    same = new_training(data, MemoryLog(), options.replace(epochs=state.epoch)).run()
    assert same.best_epoch == state.best_epoch
    for key, value in same.model.state_dict().items():
        assert value.equal(state.model.state_dict()[key])
    # One that is resumed has ended, too.
    folder = RunFolder(tmp_path / "run", {})
    new_training(data, folder, waited).run()
    again = RunFolder(tmp_path / "run", {}, resume=True)
    assert new_training(data, again, waited).run().epoch == state.epoch


def test_pseudo_seeds_from_the_start_are_learned_from(data):
    """They count as seed pairs, and share their embeddings as those do."""
    options = OPTIONS.replace(iterative=False)
    training = new_training(data, MemoryLog(), options)
    pairs = links_of(data, "test")[:, :7]
    training.begin_with({PAIR: pairs})
    seeds = links_of(data, "train")
    batches = torch.cat([ids for _, ids in training._batches(training._links())], dim=1)
    expected = torch.cat([seeds, pairs], dim=1)
    as_sets = [set(map(tuple, ids.t().tolist())) for ids in (batches, expected)]
    assert as_sets[0] == as_sets[1]
    assert batches.size(1) == expected.size(1)
    for model in (training.state.model, training.state.average):
        rows = model.embedding.row
        source, target = (rows[pairs[0]], rows[data["source"].num_nodes + pairs[1]])
        assert source.equal(target)


def test_a_clipped_step_has_the_norm_that_it_may_have(data, monkeypatch):
    norms = []

    def clip(parameters, most):
        parameters = list(parameters)
        before = float(norm(parameters, most))
        after = sum(float(p.grad.norm()) ** 2 for p in parameters if p.grad is not None)
        norms.append((before, after**0.5))

    norm = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    options = OPTIONS.replace(clip_norm=0.01, iterative=False)
    training = new_training(data, MemoryLog(), options)
    training.train_epoch()
    assert len(norms) == 4
    assert all(before > 0.01 for before, _ in norms)
    assert [after for _, after in norms] == pytest.approx([0.01] * 4, rel=1e-3)


class Table(nn.Module):
    """A model of one's own: a free vector for each entity, and nothing else."""

    def __init__(self, counts, channels=8):
        super().__init__()
        self.tables = nn.ModuleDict(
            {kg: nn.Embedding(count, channels) for kg, count in counts.items()}
        )

    def forward(self, data, entities=None, graph=None, withhold=False):
        assert graph is None
        z = {kg: self.tables[kg](ids) for kg, ids in entities.items()}
        return IBMEAOutput(z, {}, {}, {}, {}, {})


def test_model_of_ones_own_needs_no_more_than_vectors(data):
    torch.manual_seed(0)
    model = Table({kg: data[kg].num_nodes for kg in PAIR})
    assert graph_of(model, data) is None
    assert fusion_weights(model) == {}
    log, options = MemoryLog(), OPTIONS.replace(epochs=8, lr=0.3)
    objective = Objective.from_options(options.loss, [])
    training = Training(data, model, objective, options, log, progress=False)
    training.run()
    lines = log.read_metrics()
    assert lines[-1]["loss"]["hybrid"] < 0.5 * lines[0]["loss"]["hybrid"]
    assert lines[-1]["weights"] == lines[-1]["information"] == {}


def test_what_a_model_says_is_asked():
    model = SimpleNamespace(
        graph_of=lambda data: ("graph of", data),
        fusion=SimpleNamespace(weights=lambda: {"image": 1.0}),
    )
    assert graph_of(model, "data") == ("graph of", "data")
    assert fusion_weights(model) == {"image": 1.0}
