"""Before the end of a training nothing depends on the test pairs."""

import json

import pytest

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.problem import PARTS
from pyg_ibmea.train import Options, RunFolder, evaluate
from pyg_ibmea.train._trained import TrainedModels

PAIR = ("source", "target")


@pytest.fixture
def trained(run_stages):
    """The states of all trainings of a run, and what they wrote by the way."""

    def train(data, options, folder):
        states = run_stages(data, options, RunFolder(folder, {}))
        parts = sorted(folder.rglob("metrics.jsonl"))
        assert len(parts) == (2 if options.pseudo_seeds.iterative else 1)
        lines = [
            {**json.loads(line), "seconds": 0}
            for part in parts
            for line in part.read_text().splitlines()
        ]
        return states.judged, states.final, lines

    return train


def shuffled(store):
    """Every test entity gets the counterpart of another."""
    targets = store.edge_index[1, store.test_mask]
    store.edge_index[1, store.test_mask] = targets.roll(1)


def deleted(store):
    """Nothing says any more which entities have a counterpart."""
    kept = ~store.test_mask
    store.edge_index = store.edge_index[:, kept]
    for part in PARTS:
        store[f"{part}_mask"] = store[f"{part}_mask"][kept]


# Notes for a user, which six epochs on few entities earn.
@pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
@pytest.mark.parametrize("change", [shuffled, deleted])
@pytest.mark.parametrize("iterative", [False, True])
def test_the_test_pairs_change_nothing(change, iterative, tmp_path, trained):
    options = Options.of(
        epochs=6, graph_channels=16, modal_channels=8, iterative=iterative,
        propose_from=3, propose_every=1, propose_threshold=0.3, propose_easing=0,
        refits=1, refit_epochs=2,
    )  # fmt: skip
    data, changed = (SyntheticMMKG(num_entities=200)[0] for _ in range(2))
    change(changed["source", "same_as", "target"])

    judged, states, lines = trained(data, options, tmp_path / "true")
    others, other_states, other_lines = trained(changed, options, tmp_path / "changed")
    assert lines == other_lines
    for ours, theirs in ((judged, others), (states, other_states)):
        for state, other in zip(ours, theirs, strict=True):
            assert state.best_epoch == other.best_epoch
            weights = other.model.state_dict()
            for name, value in state.model.state_dict().items():
                assert value.equal(weights[name])
            found = state.best_pseudo_seeds
            assert found.keys() == other.best_pseudo_seeds.keys()
            for pair, pairs in found.items():
                assert pairs.equal(other.best_pseudo_seeds[pair])
                assert pairs.size(1) > 20
            assert bool(found) == iterative
    # Neither does what is taken for granted of the matches.
    ours, theirs = (
        TrainedModels(
            problem,
            options.decoding,
            [state.model for state in twins],
            [state.model for state in models],
        )
        for twins, models, problem in (
            (judged, states, data),
            (others, other_states, changed),
        )
    )
    judgement, other = ours.judgements[PAIR], theirs.judgements[PAIR]
    assert judgement.right.state_dict() == other.right.state_dict()
    assert judgement.choice == other.choice
    assert judgement.threshold == other.threshold
    assert ours.alignment.decoder == theirs.alignment.decoder
    assert len(ours.alignment) > 100
    for name in ("source", "target", "runner_up", "score", "margin", "confidence"):
        values = (getattr(found.alignment, name).tolist() for found in (ours, theirs))
        assert next(values) == next(values)
    # The end does depend on them.
    if change is shuffled:
        model = states[0].model
        hits = [
            evaluate(model, problem, "test")["csls"]["hits@1"]
            for problem in (data, changed)
        ]
        assert hits[0] > 10 * hits[1]
