import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.align import Sinkhorn, sinkhorn
from pyg_ibmea.problem import links_of, unaligned_entities
from pyg_ibmea.train import Options, propose_pairs
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train.proposals import share_right


def encode(model, data):
    with torch.no_grad():
        return model.eval()(data).z


def test_proposals_are_mutual_sure_and_outside_the_training_pairs(data, model):
    entities = unaligned_entities(data, ("train",))
    z = encode(model, data)
    sides = [z[kg][ids] for kg, ids in zip(("source", "target"), entities, strict=True)]
    unit = [torch.nn.functional.normalize(side) for side in sides]
    f, g, *_ = sinkhorn(*sides, temperature=0.03)
    plan = ((unit[0] @ unit[1].t() + f[:, None] + g) / 0.03).exp()
    expected = {
        (int(entities[0][i]), int(entities[1][j]))
        for i, j in (plan >= 0.2).nonzero().tolist()
        if plan[i, j] == plan[i].max() and plan[i, j] == plan[:, j].max()
    }
    assert len(expected) > 5
    model.train()
    pairs = propose_pairs(model, data, threshold=0.2, decoder=Sinkhorn(0.03))
    assert set(map(tuple, pairs.t().tolist())) == expected
    assert model.training


def test_proposals_do_not_depend_on_which_graph_comes_first(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    big = torch.randn(300, 32, generator=generator)
    small = big[:60] + 0.2 * torch.randn(60, 32, generator=generator)
    z = {"small": small, "big": big}

    def encode_entities(model, data, entities, graph):
        return {kg: z[kg][ids] for kg, ids in entities.items()}

    monkeypatch.setattr("pyg_ibmea.train.evaluation.encode_entities", encode_entities)
    found = []
    for pair in (("small", "big"), ("big", "small")):
        data = HeteroData()
        for kg in pair:
            data[kg].num_nodes = len(z[kg])
        store = data[pair[0], "same_as", pair[1]]
        store.edge_index = torch.arange(20).repeat(2, 1)
        store.train_mask = torch.ones(20, dtype=torch.bool)
        store.val_mask = store.test_mask = ~store.train_mask
        found.append(propose_pairs(None, data, threshold=0.9))
    assert found[0].equal(torch.arange(20, 60).repeat(2, 1))
    assert found[1].equal(found[0])


def test_where_all_is_known_nothing_is_proposed(data, model):
    store = data["source", "same_as", "target"]
    entities = torch.arange(data["source"].num_nodes)
    store.edge_index = torch.stack([entities, entities % data["target"].num_nodes])
    store.train_mask = torch.ones_like(entities, dtype=torch.bool)
    assert propose_pairs(model, data, 0.5).shape == (2, 0)


def test_proposals_do_not_depend_on_the_other_pairs(data, model):
    before = propose_pairs(model, data, 0.0)
    store = data["source", "same_as", "target"]
    unknown = ~store.train_mask
    targets = store.edge_index[1, unknown]
    store.edge_index[1, unknown] = targets[torch.randperm(targets.numel())]
    assert propose_pairs(model, data, 0.0).equal(before)


def test_share_of_pairs_that_are_right(data):
    (a, b), (c, _), *_ = links_of(data, "test").t().tolist()
    entities = (set(range(data[kg].num_nodes)) for kg in ("source", "target"))
    links = data["source", "same_as", "target"].edge_index.tolist()
    alone = [min(e - set(side)) for e, side in zip(entities, links, strict=True)]
    # One right, one wrong, one of two entities without counterpart.
    pairs = torch.tensor([[a, c, alone[0]], [b, b, alone[1]]])
    assert share_right(data, pairs) == {
        "pairs": 3,
        "right": pytest.approx(1 / 3),
        "right_of_known": 0.5,
    }
    nothing = {"pairs": 0, "right": 0.0, "right_of_known": 0.0}
    assert share_right(data, pairs[:, :0]) == nothing


# Notes for a user, which five epochs on few entities earn.
@pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
def test_training_asks_for_the_probability_of_the_epoch(data, monkeypatch, run_stages):
    asked = []

    def no_pairs(model, problem, threshold, *_):
        asked.append(threshold)
        return torch.empty(2, 0, dtype=torch.long)

    monkeypatch.setattr("pyg_ibmea.train._training.propose_pairs", no_pairs)
    options = Options.of(
        epochs=5, eval_every=5, graph_channels=4, modal_channels=4, iterative=True,
        propose_from=2, propose_every=1, propose_first_threshold=0.8,
        propose_threshold=0.4, propose_easing=2,
    )  # fmt: skip
    run_stages(data, options, MemoryLog())
    assert asked == pytest.approx([0.8, 0.6, 0.4, 0.4])
