"""What users replace, each in a few lines of their own, through ``Aligner`` alone."""

import inspect
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch_geometric.nn import GCNConv

from pyg_ibmea import Aligner
from pyg_ibmea.align import Scoring
from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.datasets import KnowledgeGraphs, SyntheticMMKG
from pyg_ibmea.nn import GaussianPosterior, IBMEAOutput
from pyg_ibmea.problem import links_of, unaligned_entities

# What four epochs on small graphs earn.
pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")

PAIR = ("source", "target")
SMALL = {
    "epochs": 4,
    "eval_every": 2,
    "graph_channels": 24,
    "modal_channels": 12,
    "progress": False,
}


# --- a decoder -----------------------------------------------------------------------


class InvertedSoftmax:
    """How probable a source is among all that want a target (arXiv 1702.03859)."""

    name = "inverted softmax"

    def __init__(self, temperature=0.1):
        self.temperature = temperature

    def scoring(self, similarity):
        total = similarity.target.new_zeros(similarity.shape[1])
        for _, cosine in similarity.blocks():
            total += (cosine / self.temperature).exp().sum(dim=0)
        return Scoring(1.0, target=-self.temperature * total.log())


# --- a loss --------------------------------------------------------------------------


class MarginLoss(torch.nn.Module):
    """Counterparts are nearer than any other of the batch by a learned margin."""

    def __init__(self):
        super().__init__()
        self.margin = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, z_source, z_target):
        cosine = F.normalize(z_source) @ F.normalize(z_target).t()
        gap = self.margin + cosine - cosine.diagonal()[:, None]
        other = 1 - torch.eye(len(cosine), device=cosine.device)
        return (gap.relu() * other).mean() - 0.01 * self.margin


# --- an encoder of a modality --------------------------------------------------------


class ImageEncoder(torch.nn.Module):
    """Two layers in front of a bottleneck."""

    def __init__(self, in_channels):
        super().__init__()
        self.hidden = torch.nn.Linear(in_channels, 32)
        self.mean, self.logstd = torch.nn.Linear(32, 8), torch.nn.Linear(32, 8)

    def reset_parameters(self):
        for linear in (self.hidden, self.mean, self.logstd):
            linear.reset_parameters()

    def forward(self, x):
        hidden = F.gelu(self.hidden(x))
        return GaussianPosterior(self.mean(hidden), self.logstd(hidden) - 3)


# --- an encoder of the graph ---------------------------------------------------------


class PlainGCN(torch.nn.Module):
    """Two graph convolutions over the triples, whatever their relation."""

    def __init__(self, channels):
        super().__init__()
        self.convs = torch.nn.ModuleList(GCNConv(channels, channels) for _ in "ab")

    def build_graph(self, data):
        return data.to_homogeneous(node_attrs=[], edge_attrs=[]).edge_index[
            :, : sum(data[kg, "rel", kg].edge_index.size(1) for kg in data.node_types)
        ]

    def forward(self, x, graph, nodes=None):
        for conv in self.convs:
            x = conv(x, graph).tanh()
        return x if nodes is None else x[nodes], None


# --- a whole model -------------------------------------------------------------------


class NamesOnly(torch.nn.Module):
    """A linear map of the names, and nothing else."""

    def __init__(self, in_channels):
        super().__init__()
        self.linear = torch.nn.Linear(in_channels, 16, bias=False)

    def forward(self, data, entities, graph=None, withhold=False):
        z = {kg: self.linear(data[kg].x_name[ids]) for kg, ids in entities.items()}
        return IBMEAOutput(z)


# --- a dataset -----------------------------------------------------------------------


def read_json_graphs(folder):
    """Graphs as JSON: ``{"triples": [[head, relation, tail], ...]}`` of names."""
    graphs = []
    for path in sorted(folder.glob("*.json")):
        triples = json.loads(path.read_text())["triples"]
        entities = sorted({name for h, _, t in triples for name in (h, t)})
        relations = sorted({r for _, r, _ in triples})
        ids = [
            [entities.index(h), relations.index(r), entities.index(t)]
            for h, r, t in triples
        ]
        graphs.append(KnowledgeGraph(path.stem, entities, relations, torch.tensor(ids)))
    same = {name: i for i, name in enumerate(graphs[1].entities)}
    links = [(i, same[n]) for i, n in enumerate(graphs[0].entities) if n in same]
    pair = (graphs[0].name, graphs[1].name)
    return KnowledgeGraphs(graphs, {pair: torch.tensor(links).t()}, ratio=0.5)[0]


# --- a modality from raw files -------------------------------------------------------


def add_sounds(data, folder):
    """Spectra of ``folder/GRAPH/NUMBER.npy``, the waves of some entities."""
    for kg in data.node_types:
        x = torch.zeros(data[kg].num_nodes, 33)
        mask = torch.zeros(data[kg].num_nodes, dtype=torch.bool)
        for path in (folder / kg).glob("*.npy"):
            spectrum = np.abs(np.fft.rfft(np.load(path)))
            x[int(path.stem)] = torch.from_numpy(spectrum).float()
            mask[int(path.stem)] = True
        data[kg].x_sound, data[kg].mask_sound = x, mask
    return data


@pytest.mark.parametrize(
    "what",
    [
        *(InvertedSoftmax, MarginLoss, ImageEncoder, PlainGCN, NamesOnly),
        *(read_json_graphs, add_sounds),
    ],
    ids=lambda what: what.__name__,
)
def test_a_user_writes_twenty_lines_at_most(what):
    lines = inspect.getsource(what).splitlines()
    assert len([line for line in lines if line.strip()]) <= 20


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=150)[0]


def embeddings(aligner, data, parts=("train", "val")):
    entities = unaligned_entities(data, parts)
    z = aligner.embed()
    return entities, [
        F.normalize(z[kg][ids]) for kg, ids in zip(PAIR, entities, strict=True)
    ]


def test_a_decoder(data):
    aligner = Aligner(decoder=InvertedSoftmax(), neighbor_agreement=0.0, **SMALL)
    found = aligner.fit(data).align()
    entities, (source, target) = embeddings(aligner, data)
    cosine = (source @ target.t()).double()
    score = cosine - 0.1 * (cosine / 0.1).logsumexp(dim=0)
    assert found.target.tolist() == entities[1][score.argmax(dim=1)].tolist()
    np.testing.assert_allclose(found.score, score.amax(dim=1), atol=1e-5)
    assert found.decoder == {PAIR: "inverted softmax"}
    # It is evaluated beside ours, and has chosen the epoch.
    table = str(aligner.evaluate("test"))
    rows = table[table.index("decoder") :].splitlines()[1:]
    assert {line.split("  ")[0] for line in rows} == {
        *("cosine", "csls", "sinkhorn", "inverted softmax")
    }


def test_a_loss(data):
    loss = MarginLoss()
    aligner = Aligner(loss=loss, beta=0.0, **SMALL).fit(data)
    assert loss.margin == 0.5  # A copy was trained.
    assert aligner.evaluate("test")["csls"]["hits@1"] > 20 / links_of(
        data, "test"
    ).size(1)
    plain = Aligner(beta=0.0, **SMALL).fit(data)
    ours, theirs = (a.history_[-1]["loss"]["hybrid"] for a in (aligner, plain))
    assert ours != theirs
    assert -0.1 < ours < 2  # Of cosines and a margin.


def test_an_encoder_of_a_modality(data, tmp_path):
    width = data["source"].x_image.size(1)
    given = {"image": ImageEncoder(width)}
    before = {name: w.clone() for name, w in given["image"].state_dict().items()}
    options = {"encoders": given, **SMALL}
    aligner = Aligner(**options).fit(data, tmp_path / "run")
    assert "kl/image" in aligner.history_[-1]["loss"]
    for name, weight in given["image"].state_dict().items():
        assert weight.equal(before[name])  # A copy was trained.
    # Left without images the model is another: the encoder has a say.
    z = aligner.embed()["source"]
    blind = data.clone()
    blind["source"].mask_image = torch.zeros_like(blind["source"].mask_image)
    assert aligner.align(blind).score.tolist() != aligner.align().score.tolist()
    assert z.isfinite().all()

    with pytest.raises(ValueError, match=r"was given encoders=.*ImageEncoder"):
        Aligner.load(tmp_path / "run", data)
    again = Aligner.load(tmp_path / "run", data, encoders=given)
    assert str(again.align()) == str(aligner.align())


def test_an_encoder_of_the_graph(data):
    aligner = Aligner(graph_encoder=PlainGCN(24), neighbor_features=False, **SMALL)
    aligner.fit(data)
    assert next(iter(aligner.history_[-1]["weights"])) == "graph"
    assert aligner.evaluate("test")["csls"]["hits@1"] > 20 / 112


def test_a_model(data):
    width = data["source"].x_name.size(1)
    aligner = Aligner(model=NamesOnly(width), refits=1, iterative=True, **SMALL)
    aligner.fit(data)
    assert {kg: z.size(1) for kg, z in aligner.embed().items()} == dict.fromkeys(
        PAIR, 16
    )
    assert aligner.evaluate("test")["csls"]["hits@1"] > 10 / 112


def test_a_dataset(tmp_path):
    random = np.random.default_rng(0)
    triples = np.unique(random.integers(0, [60, 4, 60], (400, 3)), axis=0)
    for name in ("en", "nl"):
        kept = triples[random.random(len(triples)) < 0.9]
        rows = [[f"e{h}", f"r{r}", f"e{t}"] for h, r, t in kept]
        (tmp_path / f"{name}.json").write_text(json.dumps({"triples": rows}))
    data = read_json_graphs(tmp_path)
    found = Aligner(**SMALL).fit(data).align()
    assert found.pairs == (("en", "nl"),)
    right = [match.source == match.target for match in found]
    assert sum(right) > 5 * len(right) / 60  # Five times as good as guessing.


def test_a_modality_from_raw_files(data, tmp_path):
    random = np.random.default_rng(0)
    links = data["source", "same_as", "target"].edge_index
    for i, j in links.t().tolist():
        wave = random.standard_normal(64)
        for kg, node in (("source", i), ("target", j)):
            (tmp_path / kg).mkdir(exist_ok=True)
            np.save(tmp_path / kg / f"{node}.npy", wave + 0.1)
    only = {"modalities": ["sound"], "neighbor_agreement": 0.0, "beta": {"sound": 1e-4}}
    aligner = Aligner(**only, **SMALL).fit(add_sounds(data, tmp_path))
    # Counterparts sound nearly alike, and all others do not.
    assert aligner.evaluate("test")["csls"]["hits@1"] > 0.9
