import copy

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch_geometric.data import HeteroData

from pyg_ibmea.nn import IBMEA, union_graph


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
    data["zh.1", "same_as", "type"].edge_index = torch.tensor([[0, 1], [0, 1]])
    return data


@pytest.fixture
def data():
    return problem()


def small(data, **options):
    return IBMEA.from_data(data, graph_channels=6, modal_channels=4, **options)


def test_links_cannot_leak_into_the_encoding(data):
    model = small(data).eval()
    before = model(data).z
    data["zh.1", "same_as", "type"].edge_index = torch.tensor([[3, 4], [5, 2]])
    after = model(data).z
    for kg in before:
        assert before[kg].equal(after[kg])


def test_output_by_graph_and_modality(data):
    out = small(data)(data)
    assert {kg: z.shape for kg, z in out.z.items()} == {
        "zh.1": (5, 14),
        "type": (6, 14),
    }
    assert list(out.latents) == ["graph", "image", "attribute"]
    assert sum(out.weights.values()) == pytest.approx(1.0)
    for modality, latents in out.latents.items():
        for kg, latent in latents.items():
            mask = out.masks[modality][kg]
            assert latent[~mask].eq(0).all()
            assert latent[mask].abs().sum(1).gt(0).all()
    # Node 4 of zh.1 and nodes 3 to 5 of the other are in no triple.
    assert out.masks["graph"]["zh.1"].tolist() == [True] * 4 + [False]
    assert out.masks["graph"]["type"].tolist() == [True] * 3 + [False] * 3


def test_entities_encode_as_part_of_the_whole(data):
    model = small(data).eval()
    whole = model(data)
    entities = {"zh.1": torch.tensor([3, 0]), "type": torch.tensor([5, 1, 1])}
    part = model(data, entities, union_graph(data))
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
        (True, ["graph", "image", "attribute"]),
        (False, []),
        (["graph"], ["graph"]),
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
    assert len(model.embedding) == 0
    # An entity that has neither is a zero vector, and nothing is NaN.
    z = model(data).z["type"]
    assert z[0].eq(0).all()
    assert z.isfinite().all()


def test_three_graphs(data):
    data["fr"].update({k: copy.copy(v) for k, v in data["zh.1"].items()})
    data["fr", "rel", "fr"].edge_index = data["zh.1", "rel", "zh.1"].edge_index
    assert {kg: len(z) for kg, z in small(data)(data).z.items()} == {
        "zh.1": 5,
        "type": 6,
        "fr": 5,
    }


def test_every_parameter_gets_a_gradient(data):
    model = small(data, separate_stacks=True)
    out = model(data)
    (sum(z.square().sum() for z in out.z.values()) + sum(out.kl.values())).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_paper_preset_and_options(data):
    model = IBMEA.from_data(data, preset="paper", modal_channels=20)
    assert model.embedding["type"].shape == (6, 300)
    assert model.graph_encoder.hidden_logstd is not None
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
    ],
)
def test_bad_options(data, options, message):
    with pytest.raises(ValueError, match=message):
        small(data, **options)
