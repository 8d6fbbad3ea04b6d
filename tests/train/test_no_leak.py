"""Before the end of a training nothing depends on the test pairs."""

import pytest
from torch_geometric import seed_everything

from pyg_ibmea import train
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA


def trained(data, config, folder):
    seed_everything(0)
    model = IBMEA.from_data(data, **config.model_options())
    state = train.TrainingState.create(model, config)
    objective = train.Objective.from_config(config, model.modalities)
    run = train.RunFolder(folder, {})
    run.start(state)
    graph = model.graph_of(data)
    assert train.fit(state, data, graph, objective, config, run)
    lines = [{**line, "seconds": 0} for line in run.read_metrics()]
    return state, lines


# Notes for a user, which six epochs on few entities earn.
@pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
@pytest.mark.parametrize("iterative", [False, True])
def test_shuffled_test_pairs_change_nothing(iterative, tmp_path):
    config = train.TrainConfig(
        epochs=6, graph_channels=16, modal_channels=8, iterative=iterative,
        propose_from=3, propose_every=1, propose_threshold=0.3, propose_easing=0,
    )  # fmt: skip
    data, shuffled = (SyntheticMMKG(num_entities=200)[0] for _ in range(2))
    store = shuffled["source", "same_as", "target"]
    targets = store.edge_index[1, store.test_mask]
    store.edge_index[1, store.test_mask] = targets.roll(1)

    state, lines = trained(data, config, tmp_path / "true")
    other, other_lines = trained(shuffled, config, tmp_path / "shuffled")
    assert lines == other_lines
    assert state.best_epoch == other.best_epoch
    for name, value in state.best_weights.items():
        assert value.equal(other.best_weights[name])
    found = state.pseudo_seeds.of(("source", "target"))
    assert found.equal(other.pseudo_seeds.of(("source", "target")))
    assert (found.size(1) > 20) == iterative
    # Neither does what is taken for granted of the matches.
    trusts = [
        train.calibrate(s.average, problem, config)
        for s, problem in ((state, data), (other, shuffled))
    ]
    assert trusts[0].right.state_dict() == trusts[1].right.state_dict()
    assert trusts[0].decoder == trusts[1].decoder
    # The end does depend on them.
    metrics = [
        train.evaluate(state.average, problem, "test") for problem in (data, shuffled)
    ]
    assert metrics[0]["csls"]["hits@1"] > 10 * metrics[1]["csls"]["hits@1"]
