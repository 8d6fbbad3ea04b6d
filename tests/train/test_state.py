import io

import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.train import Options, TrainingState
from pyg_ibmea.train._tables import Tables


def new_state(channels=3, average_decay=0.9):
    options = Options.of(
        lr=0.1, warmup_epochs=3, cosine_epochs=9, average_decay=average_decay
    )
    return TrainingState.create(torch.nn.Linear(channels, 2), options)


def step(state):
    state.epoch += 1
    x = torch.randn(8, 3)
    loss = torch.nn.functional.dropout(state.model(x), 0.5).square().mean()
    state.optimizer.zero_grad()
    loss.backward()
    state.optimizer.step()
    state.scheduler.step()
    state.update_average()


def through_a_file(state):
    buffer = io.BytesIO()
    torch.save(state.state_dict(), buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def test_resumed_training_is_the_same_bit_for_bit():
    torch.manual_seed(0)
    state = new_state()
    for _ in range(3):
        step(state)
    state.offer(0.5)
    saved = through_a_file(state)
    for _ in range(4):
        step(state)

    torch.manual_seed(77)
    resumed = new_state()
    resumed.load_state_dict(saved)
    assert (resumed.epoch, resumed.best_epoch, resumed.best_value) == (3, 3, 0.5)
    for _ in range(4):
        step(resumed)
    for key, value in state.model.state_dict().items():
        assert resumed.model.state_dict()[key].equal(value)
        assert resumed.average.state_dict()[key].equal(state.average.state_dict()[key])
        assert resumed.best_weights[key].equal(state.best_weights[key])
    assert resumed.scheduler.get_last_lr() == state.scheduler.get_last_lr()


def test_average_follows_its_recurrence():
    state = new_state()
    expected = state.model.weight.detach().clone()
    for epoch in range(1, 101):
        step(state)
        decay = min(0.9, (1 + epoch) / (10 + epoch))
        expected = decay * expected + (1 - decay) * state.model.weight.detach()
    torch.testing.assert_close(state.average.weight, expected)
    assert not state.average.weight.requires_grad


def test_without_average_the_last_weights_are_kept():
    state = new_state(average_decay=0.0)
    for _ in range(3):
        step(state)
    assert state.average.weight.equal(state.model.weight)


def test_numbers_that_are_no_weights_are_left_as_they_are():
    model = torch.nn.Linear(3, 2)
    model.register_buffer("row", torch.tensor([2**40 + 1, 3]))
    state = TrainingState.create(model, Options())
    state.update_average()
    assert state.average.row.tolist() == [2**40 + 1, 3]


def test_best_weights_are_kept_as_they_were():
    state = new_state()
    step(state)
    assert state.offer(0.5)
    kept = state.average.weight.detach().clone()
    step(state)
    assert not state.offer(0.4)
    assert not state.offer(0.5)  # The first of equals stays.
    assert state.best_epoch == 1
    assert state.best_weights["weight"].equal(kept)
    assert not state.average.weight.equal(kept)


def test_the_settings_of_the_optimiser_are_those_of_the_options():
    options = Options.of(lr=0.5, weight_decay=0.25, warmup_epochs=2)
    model = torch.nn.Linear(3, 2)
    state = TrainingState.create(model, options)
    (group,) = state.optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.25)  # First of two rises.
    assert [*map(id, group["params"])] == [*map(id, model.parameters())]
    extra = torch.nn.Parameter(torch.zeros(()))
    (group,) = TrainingState.create(model, options, [extra]).optimizer.param_groups
    assert [*map(id, group["params"])] == [*map(id, model.parameters()), id(extra)]


def test_proposals_are_remembered_as_the_options_say():
    state = TrainingState.create(torch.nn.Linear(3, 2), Options.of(propose_window=5))
    assert state.pseudo_seeds.window == 5


def test_checkpoint_of_another_model():
    with pytest.raises(ValueError, match="of another model or other data"):
        new_state().load_state_dict(new_state(channels=4).state_dict())


def test_pseudo_seeds_of_the_best_epoch_are_kept_and_restored():
    state = new_state()
    pair = torch.tensor([[1], [2]])
    graphs = ("a", "b")
    for _ in range(2):
        state.pseudo_seeds.update({graphs: pair}, {})
    state.offer(0.5)
    state.pseudo_seeds.update({graphs: pair[:, :0]}, {})
    state.pseudo_seeds.update({graphs: pair[:, :0]}, {})
    assert state.pseudo_seeds.of(graphs).numel() == 0
    resumed = new_state()
    resumed.load_state_dict(through_a_file(state))
    assert resumed.best_pseudo_seeds[graphs].equal(pair)
    assert len(resumed.pseudo_seeds.by_pair[graphs].proposals) == 3


def test_a_finished_training_has_the_kept_weights_and_no_ballast():
    state = new_state()
    step(state)
    state.offer(0.5)
    kept = state.best_weights["weight"].clone()
    step(state)
    assert state.optimizer.state
    assert state.model.weight.grad is not None
    state.finish()
    assert state.model.weight.equal(kept)
    assert not state.optimizer.state
    assert state.model.weight.grad is None
    # No second copy of the weights.
    assert state.average is state.model
    assert state.best_weights["weight"].data_ptr() == state.model.weight.data_ptr()


def test_checkpoint_that_lacks_something():
    state = new_state().state_dict()
    for key, value in (("optimizer", None), ("rng", 7), ("model", [])):
        with pytest.raises(ValueError, match="is of another model or other data"):
            new_state().load_state_dict({**state, key: value})
    del state["scheduler"]
    with pytest.raises(ValueError, match="is of another model or other data"):
        new_state().load_state_dict(state)


@pytest.mark.parametrize(("began", "goes_on"), [(0.5, 0.125), (0.125, 0.5), (0.3, 0.3)])
def test_another_number_of_processes_goes_on_at_its_own_rate(began, goes_on):
    """The encoders take as many steps as there are processes with a part fewer."""

    def state_at(slower):
        data = SyntheticMMKG(num_entities=30)[0]
        options = Options.of(
            lr=0.1, warmup_epochs=3, cosine_epochs=9, graph_channels=4, modal_channels=4
        )
        model = IBMEA.from_data(data, options=options.model)
        return TrainingState.create(model, options, (), Tables(), slower)

    first, other, whole = state_at(began), state_at(goes_on), state_at(goes_on)
    for _ in range(2):
        first.optimizer.step()
        first.scheduler.step()
        whole.optimizer.step()
        whole.scheduler.step()
    other.load_state_dict(through_a_file(first))
    for _ in range(4):
        rates = [s.optimizer.param_groups[0]["lr"] for s in (other, whole)]
        assert rates[0] == pytest.approx(rates[1], rel=1e-12)
        # The table learns at the rate of the schedule, as ever.
        assert rates[0] / other.slower == pytest.approx(rates[1] / whole.slower)
        for state in (other, whole):
            state.optimizer.step()
            state.scheduler.step()
