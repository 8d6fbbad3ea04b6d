"""A trained model and entities that were not there in training."""

import pytest
import torch
from torch_geometric import seed_everything

from pyg_ibmea import train
from pyg_ibmea.data import KnowledgeGraph, add_entities
from pyg_ibmea.datasets import KnowledgeGraphs, SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import Training

SIZE, KNOWN = 80, 68


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=60)[0]


@pytest.fixture
def model(data):
    torch.manual_seed(0)
    return IBMEA.from_data(data, graph_channels=8, modal_channels=4).eval()


def test_embeddings_are_means_of_known_neighbours(data, model):
    uri, relation = data.uri["source"], "0"
    triples = [("new", relation, uri[3]), (uri[5], relation, "new")]
    triples += [("new", relation, uri[3]), ("far", relation, "new")]
    larger = add_entities(data, "source", ["new", "far"], triples)
    more, count = model.extended(larger), data["source"].num_nodes
    before, after = model.embedding(), more.embedding()
    torch.testing.assert_close(after[count], (before[3] + before[5]) / 2)
    assert not after[count + 1].any()  # It has no known neighbour.
    assert after[:count].equal(before[:count])
    assert after[count + 2 :].equal(before[count:])
    assert more.num_nodes == {**model.num_nodes, "source": count + 2}
    assert not more.training
    assert "embedding.weight" in dict(more.named_parameters())


def test_lonely_entities_change_nothing_for_the_others(data, model):
    larger = add_entities(data, "target", ["new"])
    output = model.extended(larger)(larger)
    for kg, z in model(data).z.items():
        torch.testing.assert_close(output.z[kg][: z.size(0)], z)
    new = data["target"].num_nodes
    assert not any(mask["target"][new] for mask in output.masks.values())


def test_shared_embeddings_stay_shared_and_the_copy_is_saved(data, model, tmp_path):
    pytest.importorskip("safetensors")
    model.share({"source": torch.tensor([1]), "target": torch.tensor([2])})
    larger = add_entities(data, "source", ["new"])
    more = model.extended(larger)
    x = more.embedding()
    assert x[1].equal(x[data["source"].num_nodes + 1 + 2])
    more.save_pretrained(tmp_path)
    again = IBMEA.from_pretrained(tmp_path)
    assert again(larger).z["source"].equal(more(larger).z["source"])


def test_without_the_graph_modality(data):
    model = IBMEA.from_data(data, modalities=["image"]).eval()
    x = torch.ones(1, data["source"].x_image.size(1))
    larger = add_entities(data, "source", ["new"], features={"image": x})
    z = model.extended(larger)(larger).z["source"]
    torch.testing.assert_close(z[:-1], model(data).z["source"])
    assert z[-1].norm() > 0


def test_new_entities_find_their_counterparts():
    """Entities of b that were not in training are found almost as well as others."""
    generator = torch.Generator().manual_seed(1)
    world = torch.randint(SIZE, (8 * SIZE, 2), generator=generator)
    kinds = torch.randint(6, (8 * SIZE,), generator=generator)
    every = torch.stack([world[:, 0], kinds, world[:, 1]], dim=1).unique(dim=0)
    names = {kg: [f"{kg}{i}" for i in range(SIZE)] for kg in "ab"}
    relations = [f"r{r}" for r in range(6)]
    seen = every[(every[:, 0] < KNOWN) & (every[:, 2] < KNOWN)]
    graphs = [
        KnowledgeGraph("a", names["a"], relations, every),
        KnowledgeGraph("b", names["b"][:KNOWN], relations, seen),
    ]
    links = {("a", "b"): torch.arange(KNOWN).repeat(2, 1)}
    data = KnowledgeGraphs(graphs, links, ratio=0.6, val_ratio=0.2)[0]
    seed_everything(0)
    options = train.Options.of(graph_channels=32, modal_channels=16, epochs=12)
    model = IBMEA.from_data(data, options=options.model)
    objective = train.Objective.from_options(options.loss, model.modalities)
    training = Training(data, model, objective, options, MemoryLog())
    training.graph = model.graph_of(data)
    for epoch in range(options.training.epochs):
        training.state.epoch = epoch + 1
        training.train_epoch()
    new = every[(every[:, 0] >= KNOWN) | (every[:, 2] >= KNOWN)]
    triples = [(f"b{h}", f"r{r}", f"b{t}") for h, r, t in new.tolist()]
    larger = add_entities(data, "b", names["b"][KNOWN:], triples)
    more = model.eval().extended(larger)
    with torch.no_grad():
        z = more(larger).z
    found = (z["b"][KNOWN:] @ z["a"].t()).argmax(dim=1)
    right = (found == torch.arange(KNOWN, SIZE)).double().mean()
    assert right >= 0.5  # Guessing: 1 in 80.


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["source"].update({"num_nodes": 3}), "at least as many"),
        (lambda d: d["source"].pop("x_image"), "needs both x_image"),
        (lambda d: d["source", "rel", "source"].edge_type.fill_(900), "relation"),
    ],
)
def test_data_of_another_model(data, model, change, message):
    change(data)
    with pytest.raises(ValueError, match=message):
        model.extended(data)
