"""Which trainings a run consists of."""

import pytest
from torch_geometric import seed_everything

from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import links_of
from pyg_ibmea.train import Objective, Options, RunFolder, _progress
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._stages import best_pseudo_seeds, has_twins, parts_of
from pyg_ibmea.train._training import Training
from pyg_ibmea.train.proposals import outside_seed_pairs

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
PAIR = ("source", "target")
OPTIONS = Options.of(
    epochs=4, eval_every=1, graph_channels=8, modal_channels=4, propose_from=2,
    propose_every=1, propose_first_threshold=0.2, propose_threshold=0.2,
    refit_epochs=3,
)  # fmt: skip


def without_validation_pairs(data):
    store = data["source", "same_as", "target"]
    store.train_mask |= store.val_mask
    store.val_mask &= False
    return data


def test_parts_by_what_a_run_asks_for(data):
    seeds, known = links_of(data, "train"), links_of(data, "train").size(1)
    known += links_of(data, "val").size(1)

    def parts(data, **changes):
        found = parts_of(data, OPTIONS.replace(**changes))
        counts = {
            name: (links_of(problem, "train").size(1), judged)
            for name, (problem, judged) in found.items()
        }
        assert has_twins(data, OPTIONS.replace(**changes)) == ("judged_0" in counts)
        return counts

    first = (seeds.size(1), True)
    refit = (known, False)
    assert parts(data) == parts(data, iterative=True) == {"": first}
    assert parts(data, refits=2) == {"": first, "refit_0": refit, "refit_1": refit}
    assert parts(data, refits=2, iterative=True) == {
        "judged_0": first, "judged_1": first, "refit_0": refit, "refit_1": refit
    }  # fmt: skip
    # Without validation pairs nothing could judge a twin.
    assert parts(without_validation_pairs(data), refits=1, iterative=True) == {
        "": (known, True), "refit_0": (known, False)
    }  # fmt: skip


@pytest.mark.parametrize("iterative", [False, True])
def test_refits_end_where_the_validation_pairs_say(
    data, iterative, run_stages, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(_progress, "EVERY", 0.0)
    options = OPTIONS.replace(refits=2, iterative=iterative)
    found = run_stages(data, options, RunFolder(tmp_path / "run", {}))
    told = capsys.readouterr().err
    if iterative:
        assert len(found.judged) == 2
        ends = [twin.best_epoch for twin in found.judged]
        assert "training 3 of 5: judging on validation pairs, 3 epochs" in told
    else:
        assert len(found.judged) == 1
        ends = [found.judged[0].best_epoch] * 2
        assert "judging" not in told
    assert [state.epoch for state in found.final] == ends
    assert [state.best_epoch for state in found.final] == ends
    for number, epochs in enumerate(ends):
        place = number + 2 + 2 * iterative
        total = 3 + 2 * iterative
        title = f"training {place} of {total}: learning from all known pairs"
        assert f"{title}, {epochs} epochs, about " in told
    # All trainings count, each once.
    seconds = [state.seconds for state in (*found.judged, *found.final)]
    assert found.seconds == pytest.approx(sum(seconds))
    if iterative:  # The first is among none of them.
        lines = RunFolder(tmp_path / "run", {}, resume=True).read_metrics()
        assert found.judged[0].seconds > lines[-1]["seconds"]


def test_refits_are_those_of_the_seeds_that_follow(data, run_stages):
    """A refit is what a training of its own would be, from the pairs it begins with."""
    options = OPTIONS.replace(refits=2, iterative=True)
    found = run_stages(data, options, MemoryLog())
    first = run_stages(data, OPTIONS.replace(iterative=True), MemoryLog())
    adopted = best_pseudo_seeds(first.final[0], data)
    assert adopted[PAIR].size(1) > 5
    parts = parts_of(data, options)

    for name, state in (("judged_1", found.judged[1]), ("refit_1", found.final[1])):
        problem, judged = parts[name]
        begin = adopted[PAIR]
        if not judged:
            begin = outside_seed_pairs(problem, begin)
        # The refit ends where its twin was best.
        epochs = 3 if judged else found.judged[1].best_epoch
        alone = OPTIONS.replace(epochs=epochs)
        seed_everything(1)
        model = IBMEA.from_data(problem, options=alone.model)
        objective = Objective.from_options(alone.loss, model.modalities)
        training = Training(
            problem, model, objective, alone, MemoryLog(), progress=False
        )
        training.begin_with({PAIR: begin})
        weights = training.run().model.state_dict()
        for key, value in state.model.state_dict().items():
            assert value.equal(weights[key]), (name, key)


def test_pseudo_seeds_of_an_epoch_that_had_none(data, run_stages):
    found = run_stages(data, OPTIONS, MemoryLog())
    assert best_pseudo_seeds(found.final[0], data)[PAIR].shape == (2, 0)
