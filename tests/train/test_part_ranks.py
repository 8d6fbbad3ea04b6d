"""Processes with a part each learn what one learns from the same parts at once."""

import math
from pathlib import Path

import parts_at_once
import pytest
import torch
from parts_at_once import EPOCHS, WAYS
from started_processes import Forked

from pyg_ibmea.nn import GaussianPosterior
from pyg_ibmea.train._parts import _among

pytest.importorskip("pymetis")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)"),
]
SCRIPT = Path(__file__).parent / "parts_at_once.py"


@pytest.fixture(scope="module", params=[2, 3])
def found(request, tmp_path_factory):
    """What each of two processes has, and of three."""
    folder = tmp_path_factory.mktemp("at_once")
    codes, told = Forked(request.param, (SCRIPT, folder), folder).end(200)
    assert codes == [0] * request.param, told
    return [torch.load(folder / f"{number}.pt") for number in range(request.param)]


class RowByRow:
    """AdamW of a table, written out row by row in Python."""

    def __init__(self, table):
        self.mean, self.square = torch.zeros_like(table), torch.zeros_like(table)
        self.steps = torch.zeros(len(table), 1)

    def step(self, table, grad, rows, lr):
        for i in rows:
            self.steps[i] += 1
            t = int(self.steps[i])
            self.mean[i] = 0.9 * self.mean[i] + 0.1 * grad[i]
            self.square[i] = 0.999 * self.square[i] + 0.001 * grad[i] ** 2
            mean = self.mean[i] / (1 - 0.9**t)
            root = (self.square[i] / (1 - 0.999**t)).sqrt()
            table[i] = table[i] * (1 - lr * 0.01) - lr * mean / (root + 1e-8)


def replayed(way, seen, first_epoch_ends):
    """The same steps in one process: the mean loss of all parts of a step, with the
    whole table as one leaf.
    """
    training = parts_at_once.started(way)
    state, parts = training.state, training.parts
    parts.at_once = len(seen)
    rate = training.options.training.lr
    table = state.model.embedding.weight
    rows_of_table = RowByRow(table.detach())
    encoders = [p for p in state.model.parameters() if p is not table]
    learned = [*encoders, *training.objective.parameters()]
    numbers = [links.size(1) for links in training.seeds.values()]
    slower = parts.slower(numbers, training.options.training)
    optimizer = torch.optim.AdamW(learned, lr=rate * slower, weight_decay=0.01)
    all_losses, epochs = [], []
    for number in range(len(seen[0])):
        if number == first_epoch_ends:
            epochs.append(all_losses)
            all_losses = []
            state.epoch = 1
            state.update_average()
        state.epoch = len(epochs) + 1
        now = [one[number] for one in seen]
        active = [one for one in now if not one[1]]
        losses, touched = [], set()
        state.model.train()
        for (group,), _, pair, links in active:
            inside = {kg: _among(c, group) for kg, c in parts.clusters.items()}
            part = parts._part(state.model, inside)
            view = part.view(state.model, torch.nn.Parameter(table.detach()[part.rows]))
            del view.embedding.weight
            view.embedding.weight = table[part.rows]
            ids = dict(zip(pair, links, strict=True))
            withhold = training.options.training.withhold > 0
            output = view(part.data, ids, part.graph, withhold=withhold)
            losses.append(training.objective(output, pair, state.epoch)[0])
            touched |= set(part.rows.tolist())
        all_losses += [loss.item() for loss in losses]
        for p in (table, *learned):
            p.grad = None
        torch.stack(losses).mean().backward()
        if most := training.options.training.clip_norm:
            torch.nn.utils.clip_grad_norm_([*encoders, table], most)
        optimizer.step()
        with torch.no_grad():
            rows_of_table.step(table, table.grad, sorted(touched), rate)
    state.epoch = EPOCHS
    state.update_average()
    return training, rows_of_table, [*epochs, all_losses]


@pytest.mark.parametrize("way", WAYS)
def test_steps_are_those_of_the_mean_loss(way, found, monkeypatch):
    monkeypatch.setattr(
        GaussianPosterior, "rsample", lambda self, num_samples=None: self.mean
    )
    seen = [one[way]["seen"] for one in found]
    assert len({len(one) for one in seen}) == 1
    training, rows, losses = replayed(way, seen, found[0][way]["ends"][0])
    one = found[0][way]
    assert one["losses"]["total"] == pytest.approx(
        math.fsum(losses[-1]) / len(losses[-1]), rel=1e-9
    )
    state = training.state
    for name, module in (
        ("model", state.model),
        ("average", state.average),
        ("loss weights", training.objective),
    ):
        for key, value in module.state_dict().items():
            torch.testing.assert_close(
                one[name][key],
                value,
                rtol=1e-7,
                atol=1e-6,
                msg=lambda text, n=f"{name} {key}": f"{n}: {text}",
            )
    assert one["moments"]["steps"].equal(rows.steps.to(one["moments"]["steps"]))
    torch.testing.assert_close(one["moments"]["mean"], rows.mean, rtol=1e-7, atol=1e-9)


def test_all_processes_end_with_the_same_bits(found):
    for way in WAYS:
        for other in found[1:]:
            for name in ("model", "average", "moments", "loss weights"):
                for key, value in found[0][way][name].items():
                    assert value.equal(other[way][name][key]), (way, name, key)
            assert other[way]["losses"] == found[0][way]["losses"]


def test_some_processes_were_idle_and_parts_overlap(found):
    """So that the cases above hold something to get wrong."""
    idle = [one[1] for process in found for one in process["5 parts"]["seen"]]
    assert any(idle)
    assert not all(idle)


def test_a_training_goes_on_bit_for_bit(found):
    for one in found:
        assert len(one["whole"]["losses"]) > len(one["resumed"]["losses"]) > 5
        for key, value in one["whole"]["weights"].items():
            assert value.equal(one["resumed"]["weights"][key]), key
        assert one["whole"]["best"].equal(one["resumed"]["best"])


def test_exchange_is_measured(found):
    for one in found:
        assert one["traffic"]["bytes_per_step"] > 1000
        assert one["traffic"]["seconds_per_step_communicating"] > 0
