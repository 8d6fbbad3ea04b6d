"""Encoders that a user passes in, in place of the built-in ones."""

import copy

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, GaussianPosterior, GraphVIBEncoder, RelationalVIBEncoder
from pyg_ibmea.problem import relation_numbers, triples_of


class Bottleneck(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, 6)

    def forward(self, x):
        return GaussianPosterior(*self.linear(x).chunk(2, dim=1))


class Mean(nn.Module):
    """The embedding of the head of each triple arrives at its tail."""

    def build_graph(self, data):
        first = data["source"].num_nodes
        source, target = (triples_of(data, kg).edge_index for kg in data.node_types)
        return torch.cat([source, target + first], dim=1)

    def forward(self, x, graph, nodes=None):
        out = torch.zeros_like(x).index_add(0, graph[1], x[graph[0]])
        return (out if nodes is None else out[nodes]), None


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=50, missing={"image": 0.3})[0]


def width(data, modality):
    return data["source"][f"x_{modality}"].size(1)


def make(data, **options):
    return IBMEA.from_data(data, graph_channels=6, modal_channels=4, **options)


def test_a_plain_module(data):
    image = nn.Linear(width(data, "image"), 7)
    model = make(data, encoders={"image": image}).eval()
    out = model(data)
    for kg in ("source", "target"):
        mask = data[kg].mask_image
        assert not mask.all()
        expected = image(data[kg].x_image) * mask[:, None]
        torch.testing.assert_close(out.latents["image"][kg], expected)
        assert out.masks["image"][kg].equal(mask)
    assert "image" not in out.kl
    assert "image" not in model.modal_encoder.in_channels
    # The features of neighbours keep the built-in one.
    assert out.latents["neighbor_image"]["source"].size(1) == 4
    widths = [out.latents[m]["source"].size(1) for m in model.modalities]
    assert out.z["source"].size(1) == sum(widths)
    out.z["source"].sum().backward()
    assert image.weight.grad is not None


def test_a_bottleneck_of_your_own(data):
    encoder = Bottleneck(width(data, "image"))
    model = make(data, encoders={"neighbor_image": encoder}, bottleneck=False)
    torch.manual_seed(1)
    out = model(data)
    assert list(out.kl) == ["neighbor_image"]
    posterior = out.posteriors["neighbor_image"]
    mask = torch.cat(list(out.masks["neighbor_image"].values()))
    rows = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0))
    torch.testing.assert_close(out.kl["neighbor_image"], rows.sum(1)[mask].mean())
    # A sample in training, the mean in evaluation.
    latent = torch.cat(list(out.latents["neighbor_image"].values()))
    assert not latent[mask].isclose(posterior.mean[mask]).any()
    latents = model.eval()(data).latents["neighbor_image"]
    torch.testing.assert_close(
        torch.cat(list(latents.values()))[mask], posterior.mean[mask]
    )


def test_counts_and_sparse_features_arrive_as_the_built_in_encoder_gets_them(data):
    seen = []

    class Look(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.to_dense()[:, :3]

    make(data, encoders={"relation": Look()})(data)
    both = torch.cat([data[kg].x_relation for kg in ("source", "target")])
    assert seen[0].is_sparse
    torch.testing.assert_close(seen[0].to_dense(), both.to_dense().log1p())


def test_a_graph_encoder_of_your_own(data):
    encoder = Mean()
    model = make(data, graph_encoder=encoder).eval()
    assert "neighbor_image" in model.modalities
    assert model.graph_encoder is encoder
    out = model(data, graph=model.graph_of(data))
    for kg in ("source", "target"):
        x = model.embedding()
        x = x[:50] if kg == "source" else x[50:]
        head, tail = triples_of(data, kg).edge_index
        expected = torch.zeros(50, 6).index_add(0, tail, x[head])
        torch.testing.assert_close(out.latents["graph"][kg], expected)
    # Training withholds the embeddings of what it tests.
    chosen = {"source": torch.arange(50), "target": torch.arange(50)}
    assert not model(data, chosen, withhold=True).latents["graph"]["source"].any()


def test_built_in_encoders_passed_as_objects(data):
    """They satisfy the protocol, and the model is the one that builds them itself."""
    model = make(data, relational=False, bottleneck="graph").eval()
    graph_encoder = GraphVIBEncoder(6, heads=1, add_self_loops=False)
    twin = make(
        data, graph_encoder=graph_encoder, neighbor_features=False, bottleneck=False
    ).eval()
    twin.load_state_dict(model.state_dict())
    assert twin(data).z["source"].equal(model(data).z["source"])


def test_reset_reaches_them_if_they_can(data):
    image, graph = nn.Linear(width(data, "image"), 4), GraphVIBEncoder(6)
    encoders = {"image": image, "name": Bottleneck(width(data, "name"))}
    model = make(data, encoders=encoders, graph_encoder=graph)
    before = copy.deepcopy(model.state_dict())
    model.reset_parameters()
    after = model.state_dict()
    assert not after["encoders.image.weight"].equal(before["encoders.image.weight"])
    name = "graph_encoder.conv.att_src"
    assert not after[name].equal(before[name])
    name = "encoders.name.linear.weight"
    assert after[name].equal(before[name])


def test_a_relational_encoder_passed_as_an_object_extends(data):
    types = 2 * relation_numbers(data)[1]
    model = make(data, graph_encoder=RelationalVIBEncoder(6, types)).eval()
    assert model.extended(data)(data).z["source"].equal(model(data).z["source"])
    model = make(data, graph_encoder=RelationalVIBEncoder(6, types + 2))
    with pytest.raises(ValueError, match=f"knows {types // 2 + 1} relations"):
        model.extended(data)


def test_extension_copies_them(data):
    image = nn.Linear(width(data, "image"), 4)
    model = make(data, encoders={"image": image}, graph_encoder=Mean()).eval()
    more = model.extended(data)
    assert more(data).z["source"].equal(model(data).z["source"])
    assert more.encoders["image"] is not image
    assert model.encoders["image"] is image


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"encoders": {"sound": nn.Identity()}}, ValueError, r"\['sound'\].* 'image'"),
        ({"encoders": {"graph": nn.Identity()}}, ValueError, "as graph_encoder"),
        ({"encoders": {"image": len}}, TypeError, "'image' must be a torch.nn.Module"),
        (
            {"graph_encoder": Mean(), "modalities": ["image"]},
            ValueError,
            "'graph' is not among",
        ),
    ],
)
def test_encoders_that_do_not_fit(data, options, error, message):
    with pytest.raises(error, match=message):
        make(data, **options)


def test_latents_that_do_not_fit(data):
    model = make(data, encoders={"image": nn.Flatten(0)})
    with pytest.raises(ValueError, match=r"'image' must return latents \[100, C\]"):
        model(data)


def test_they_are_saved_and_passed_in_again(data, tmp_path):
    pytest.importorskip("safetensors")
    shared = nn.Linear(width(data, "image"), 4)
    encoders = {"image": shared, "neighbor_image": shared}
    model = make(data, encoders=encoders, graph_encoder=Mean()).eval()
    model.save_pretrained(tmp_path)
    fresh = nn.Linear(width(data, "image"), 4)
    given = {"image": fresh, "neighbor_image": fresh}
    again = IBMEA.from_pretrained(tmp_path, encoders=given, graph_encoder=Mean())
    assert again(data).z["source"].equal(model(data).z["source"])
    for wrong in (
        {},
        {"encoders": given},
        {"encoders": {"image": fresh}, "graph_encoder": Mean()},
    ):
        with pytest.raises(ValueError, match="encoders of your own for"):
            IBMEA.from_pretrained(tmp_path, **wrong)
    make(data).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="and no graph encoder of your own; got"):
        IBMEA.from_pretrained(tmp_path, graph_encoder=Mean())
