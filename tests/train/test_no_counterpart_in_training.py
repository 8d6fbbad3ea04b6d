"""Entities that are known to have no counterpart are learned from."""

import pytest
import torch
import torch.nn.functional as F

from pyg_ibmea.nn import IBMEA
from pyg_ibmea.nn.loss._no_counterpart import no_counterpart_loss
from pyg_ibmea.problem import dangling_of
from pyg_ibmea.train import Objective, Options
from pyg_ibmea.train._exchange import without_last
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import Training
from pyg_ibmea.train.evaluation import encode_entities

pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
PAIR = ("source", "target")


def with_dangling(data):
    store = data["source", "same_as", "target"]
    free = torch.ones(data["source"].num_nodes, dtype=torch.bool)
    free[store.edge_index[0]] = False
    store.dangling = free.nonzero().flatten()
    store.dangling_part = torch.arange(store.dangling.numel()) % 3
    return data


def trained(data, **changes):
    options = Options.of(
        epochs=4, eval_every=4, graph_channels=16, modal_channels=8, **changes
    )
    torch.manual_seed(0)
    model = IBMEA.from_data(data, options=options.model)
    objective = Objective.from_options(options.loss, model.modalities)
    training = Training(data, model, objective, options, MemoryLog(), progress=False)
    return training, training.run()


def test_they_are_pushed_away_from_what_has_a_counterpart(data):
    data = with_dangling(data)
    lonely = dangling_of(data, "train")
    links = data["source", "same_as", "target"].edge_index
    nearest = {}
    for weight in (0.0, 3.0):
        _, state = trained(data, alone_weight=weight)
        asked = {"source": lonely, "target": links[1]}
        z = encode_entities(state.average, data, asked)
        cosine = F.normalize(z["source"]) @ F.normalize(z["target"]).t()
        nearest[weight] = float(cosine.amax(dim=1).mean())
    assert nearest[3.0] < nearest[0.0] - 0.02


def test_nothing_changes_where_none_is_known(data):
    one, other = (trained(data, alone_weight=w)[1] for w in (0.0, 1.0))
    for name, value in one.average.state_dict().items():
        assert value.equal(other.average.state_dict()[name]), name


def test_the_term_is_that_of_the_step(data):
    """A step of all pairs, taken apart."""
    data = with_dangling(data)
    training, _ = trained(data, withhold=0.0, alone_weight=2.0)
    training.state.model.eval()
    for weight in training.state.model.parameters():
        weight.requires_grad_(requires_grad=False)
    [step] = training._steps()
    output, alone, number = training._encode(step)
    known = set(dangling_of(data, "train").tolist())
    drawn = training._alone(step)
    assert set(drawn.tolist()) <= known
    assert number == alone.size(0) == min(len(known), step.links.size(1))
    total, terms = training.objective(output, PAIR, 4, alone, number)
    plain, _ = training.objective(output, PAIR, 4)
    expected = no_counterpart_loss(alone, *(output.z[kg] for kg in PAIR)) / number
    assert float(terms["alone"]) == pytest.approx(float(expected))
    assert float(total) == pytest.approx(float(plain + 2 * expected), rel=1e-5)
    # Shared among processes, the parts add up.
    halves = [training.objective(output, PAIR, 4, a, number)[1] for a in alone.split(3)]
    parts = sum(float(half["alone"]) for half in halves)
    assert parts == pytest.approx(float(expected), rel=1e-5)


def test_an_output_without_its_last_rows(data, model):
    ids = torch.arange(7)
    model.eval()
    output = model(data, {"source": ids, "target": ids[:4]})
    rest, last = without_last(output, "source", 3)
    few = model(data, {"source": ids[:4], "target": ids[:4]})
    assert last.equal(output.z["source"][4:])
    torch.testing.assert_close(rest.z, few.z)
    torch.testing.assert_close(rest.latents, few.latents)
    assert all(
        mask.equal(few.masks[m][kg])
        for m, by_graph in rest.masks.items()
        for kg, mask in by_graph.items()
    )
