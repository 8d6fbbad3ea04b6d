import copy

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch_geometric.data import HeteroData

from pyg_ibmea.nn import IBMEA, GraphVIBEncoder, ModelOptions


def problem():
    """Two small graphs, the second without attributes and with a node apart."""
    torch.manual_seed(0)
    data = HeteroData()
    sizes = {"zh.1": 5, "type": 6}
    for kg, size in sizes.items():
        data[kg].num_nodes = size
        data[kg].x_image = torch.randn(size, 8)
        data[kg].mask_image = torch.arange(size) % 3 != 0
        data[kg].x_image[~data[kg].mask_image] = 0
    data["zh.1"].x_attribute = torch.rand(5, 7).round().to_sparse().coalesce()
    data["zh.1"].mask_attribute = torch.ones(5, dtype=torch.bool)
    data["type"].x_attribute = torch.zeros(6, 7).to_sparse().coalesce()
    data["type"].mask_attribute = torch.zeros(6, dtype=torch.bool)
    data["zh.1", "rel", "zh.1"].edge_index = torch.tensor([[0, 1, 2, 1], [1, 2, 3, 0]])
    data["type", "rel", "type"].edge_index = torch.tensor([[0, 1, 1], [1, 2, 2]])
    data["zh.1", "rel", "zh.1"].edge_type = torch.tensor([0, 1, 0, 0])
    data["type", "rel", "type"].edge_type = torch.tensor([1, 0, 0])
    links = data["zh.1", "same_as", "type"]
    links.edge_index = torch.tensor([[0, 1, 3], [0, 1, 4]])
    links.train_mask = torch.tensor([True, False, False])
    links.test_mask = torch.tensor([False, True, True])
    return data


@pytest.fixture
def data():
    return problem()


def small(data, **options):
    return IBMEA.from_data(data, graph_channels=6, modal_channels=4, **options)


def test_links_cannot_leak_into_the_encoding(data):
    def encode():
        torch.manual_seed(1)
        return small(data).eval()(data).z

    before = encode()
    links = data["zh.1", "same_as", "type"].edge_index
    links[:, 1:] = torch.tensor([[3, 4], [5, 2]])
    after = encode()
    for kg in before:
        assert before[kg].equal(after[kg])
    links[:, 0] = torch.tensor([2, 2])  # While seed pairs are there to be known.
    assert not encode()["type"].equal(before["type"])


@pytest.mark.parametrize("relational", [True, False])
def test_seed_pairs_share_an_embedding(data, relational):
    model = small(data, relational=relational)
    assert model.embedding.weight.size(0) == 10
    assert model.embedding.row[0] == model.embedding.row[5]
    assert small(data, share_seeds=False).embedding.weight.size(0) == 11


@pytest.mark.parametrize("relational", [True, False])
def test_withheld_embeddings_are_not_seen(data, relational):
    model = small(data, modalities=["graph"], relational=relational).eval()
    entities = {"zh.1": torch.tensor([0, 2]), "type": torch.tensor([0])}
    hidden = model(data, entities, withhold=True)
    whole = model(data, withhold=False)
    assert not hidden.z["zh.1"].allclose(whole.z["zh.1"][[0, 2]])
    with torch.no_grad():
        # Node 0 of zh.1 and of the other are one row.
        model.embedding.weight[model.embedding.row[[0, 2]]] += 1
    changed = model(data, entities, withhold=True)
    for kg in entities:
        assert changed.z[kg].equal(hidden.z[kg])
    with torch.no_grad():
        model.embedding.weight[model.embedding.row[1]] += 1
    changed = model(data, entities, withhold=True)
    assert not changed.z["zh.1"].equal(hidden.z["zh.1"])


def test_further_pairs_share(data):
    model = small(data)
    model.share({"zh.1": torch.tensor([2]), "type": torch.tensor([3])})
    assert model.embedding.row[2] == model.embedding.row[8]
    assert model.embedding.row[0] == model.embedding.row[5]  # The seed pair.
    with pytest.raises(ValueError, match="as many ids from two graphs"):
        model.share({"zh.1": torch.tensor([2]), "type": torch.tensor([3, 1])})
    with pytest.raises(ValueError, match="has no embeddings"):
        small(data, modalities=["image"]).share({})


def test_output_by_graph_and_modality(data):
    out = small(data)(data)
    assert {kg: z.shape for kg, z in out.z.items()} == {
        "zh.1": (5, 40),
        "type": (6, 40),
    }
    features = ["image", "attribute"]
    neighbors = [f"neighbor_{modality}" for modality in features]
    assert list(out.latents) == ["graph", *features, *neighbors]
    assert sum(out.weights.values()) == pytest.approx(1.0)
    for modality, latents in out.latents.items():
        for kg, latent in latents.items():
            mask = out.masks[modality][kg]
            assert latent[~mask].eq(0).all()
            assert latent[mask].abs().sum(1).gt(0).all()
    # Node 4 of zh.1 and nodes 3 to 5 of the other are in no triple.
    assert out.masks["graph"]["zh.1"].tolist() == [True] * 4 + [False]
    assert out.masks["graph"]["type"].tolist() == [True] * 3 + [False] * 3


@pytest.mark.parametrize("relational", [True, False])
def test_entities_encode_as_part_of_the_whole(data, relational):
    model = small(data, relational=relational).eval()
    whole = model(data)
    entities = {"zh.1": torch.tensor([3, 0]), "type": torch.tensor([5, 1, 1])}
    part = model(data, entities, model.graph_of(data))
    for kg, index in entities.items():
        torch.testing.assert_close(part.z[kg], whole.z[kg][index])
        for modality in model.modalities:
            torch.testing.assert_close(
                part.latents[modality][kg], whole.latents[modality][kg][index]
            )


def test_one_side_alone(data):
    model = small(data).eval()
    only = model(data, {"type": torch.tensor([2])})
    torch.testing.assert_close(only.z["type"], model(data).z["type"][2:3])
    assert list(only.z) == ["type"]


def test_kl_is_the_mean_over_present_entities(data):
    out = small(data)(data)
    for modality, posterior in out.posteriors.items():
        mask = torch.cat(list(out.masks[modality].values()))
        rows = kl_divergence(Normal(posterior.mean, posterior.std), Normal(0.0, 1.0))
        torch.testing.assert_close(out.kl[modality], rows.sum(1)[mask].mean())


def test_kl_without_any_present_entity_is_zero(data):
    out = small(data)(data, {"type": torch.tensor([0, 1])})
    assert out.kl["attribute"] == 0
    out.kl["attribute"].backward()


def test_both_graphs_share_encoders_and_evaluation_is_deterministic(data):
    model = small(data, modalities=["image"])
    data["type"].x_image[1] = data["zh.1"].x_image[2]
    assert not model(data).z["zh.1"].equal(model(data).z["zh.1"])
    model.eval()
    z = model(data).z
    assert z["zh.1"][2].equal(z["type"][1])
    assert z["zh.1"].equal(model(data).z["zh.1"])


@pytest.mark.parametrize(
    ("bottleneck", "expected"),
    [
        (
            True,
            ["graph", "image", "attribute", "neighbor_image", "neighbor_attribute"],
        ),
        (False, []),
        ("features", ["image", "attribute"]),
        (["graph"], ["graph"]),
        ("graph", ["graph"]),
        (("features", "graph"), ["graph", "image", "attribute"]),
        ("none", []),
        (["image"], ["image"]),
        (["image", "attribute"], ["image", "attribute"]),
    ],
)
def test_every_bottleneck_switches_off(data, bottleneck, expected):
    out = small(data, bottleneck=bottleneck)(data)
    assert list(out.kl) == expected
    assert set(out.posteriors) == set(expected)
    out.z["zh.1"].sum().backward()


def test_counts_enter_as_their_logarithm(data):
    for kg in ("zh.1", "type"):
        counts = torch.randint(0, 50, (data[kg].num_nodes, 3)).float()
        data[kg].x_relation = counts.to_sparse().coalesce()
        data[kg].mask_relation = counts.sum(1) > 0
    model = small(data, modalities=["relation"]).eval()
    as_it_is = small(data, modalities=["relation"], count_modalities=()).eval()
    as_it_is.load_state_dict(model.state_dict())
    z = model(data).z["type"]
    assert not z.allclose(as_it_is(data).z["type"])
    for kg in ("zh.1", "type"):
        dense = data[kg].x_relation.to_dense()
        data[kg].x_relation = (1 + dense).log()
    torch.testing.assert_close(as_it_is(data).z["type"], z)


def test_without_the_graph(data):
    model = small(data, modalities=["image", "attribute"])
    assert model.modalities == ["image", "attribute"]
    assert model.embedding is None
    # An entity that has neither is a zero vector, and nothing is NaN.
    z = model(data).z["type"]
    assert z[0].eq(0).all()
    assert z.isfinite().all()


def test_three_graphs(data):
    data["fr"].update({k: copy.copy(v) for k, v in data["zh.1"].items()})
    data["fr", "rel", "fr"].update(data["zh.1", "rel", "zh.1"].to_dict())
    assert {kg: len(z) for kg, z in small(data)(data).z.items()} == {
        "zh.1": 5,
        "type": 6,
        "fr": 5,
    }


@pytest.mark.parametrize(
    "options", [{}, {"relational": False, "separate_stacks": True}]
)
def test_every_parameter_gets_a_gradient(data, options):
    model = small(data, **options)
    out = model(data)
    (sum(z.square().sum() for z in out.z.values()) + sum(out.kl.values())).backward()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert name == "graph_encoder.relation_conv.att_dst"
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_paper_preset_and_options(data):
    model = IBMEA.from_data(data, preset="paper", modal_channels=20)
    assert model.embedding.weight.shape == (11, 300)
    assert isinstance(model.graph_encoder, GraphVIBEncoder)
    assert model.graph_encoder.hidden_logstd is not None
    assert model.graph_encoder.heads == 2
    assert model.graph_encoder.dropout == 0.45
    assert model.modal_encoder.out_channels == 20


def test_copy_state_and_reset(data):
    model = small(data)
    model(data)
    twin = copy.deepcopy(model)
    twin.load_state_dict(model.state_dict())
    model.reset_parameters()
    for name, parameter in model.named_parameters():
        if "att_" in name or "embedding" in name:
            assert not parameter.equal(dict(twin.named_parameters())[name]), name
    assert "zh.1" in repr(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "best"}, "unknown preset 'best'"),
        ({"modalities": ["sound"]}, "no modality 'sound'; it has"),
        ({"bottleneck": ["sound"]}, r"names \['sound'\]"),
        ({"bottleneck": "sound"}, r"names \['sound'\]"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"preset": "paper", "options": ModelOptions()}, "not both"),
    ],
)
def test_bad_options(data, options, message):
    with pytest.raises(ValueError, match=message):
        small(data, **options)


def test_an_unknown_option_names_the_one_meant(data):
    with pytest.raises(TypeError, match="no option 'head'; did you mean 'heads'"):
        small(data, head=2)
    with pytest.raises(TypeError, match="no option 'colour'; there are"):
        IBMEA({"a": 1}, {"image": 2}, colour="red")


def test_options_by_name_win_over_the_object(data):
    options = ModelOptions(heads=3, graph_channels=6, modal_channels=4)
    model = IBMEA.from_data(data, options=options, modal_channels=5)
    assert model.options == options.replace(modal_channels=5)
    assert model.graph_encoder.heads == 3
    assert model.modal_encoder.out_channels == 5
