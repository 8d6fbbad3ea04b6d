"""Whole trainings on features as engineers have them."""

import math

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA, ModalVIBEncoder
from pyg_ibmea.problem import links_of


def one_zero_row(x, rows):
    x[rows[0]] = 0
    return x


def mostly_zero(x, rows):
    return torch.where(torch.rand(x.size(0), 1) < 0.1, x, 0)


def signs(x, rows):
    return x[:, :1].sign()


def codes(x, rows):
    return torch.randint(3, (x.size(0), 1)).float()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", [one_zero_row, mostly_zero, signs, codes])
@pytest.mark.parametrize("options", [{}, {"bottleneck": ()}, {"preset": "paper"}])
def test_zero_rows_are_ordinary_data(kind, sparse, options):
    data = SyntheticMMKG(num_entities=80)[0]
    for side, kg in enumerate(data.node_types):
        x = kind(data[kg].x_image.clone(), links_of(data, "train")[side])
        data[kg].x_image = x.to_sparse() if sparse else x
        # A row of zeros is there, and a row of a missing image is zero.
        data[kg].mask_image[:] = True
    aligner = Aligner(epochs=3, graph_channels=16, progress=False, **options).fit(data)
    assert all(math.isfinite(line["loss"]["total"]) for line in aligner.history_)
    for z in aligner.embed().values():
        assert z.isfinite().all()


KINDS = (
    *(torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int8, torch.uint8, torch.bool),
)


def whole(data, sparse):
    """Small whole numbers, which every type holds exactly; ones where it is bool."""
    for kg in data.node_types:
        x = (data[kg].x_image > 0).float()
        data[kg].x_image = x.to_sparse() if sparse else x
    return data


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_features_of_any_type_are_those_of_float32(kind, sparse):
    found = []
    for kinds in [(torch.float32, torch.float32), (kind, kind), (kind, torch.float32)]:
        data = whole(SyntheticMMKG(num_entities=60)[0], sparse)
        for kg, dtype in zip(data.node_types, kinds, strict=True):
            data[kg].x_image = data[kg].x_image.to(dtype)
            # Counts, too, where they fit.
            if dtype is not torch.bool:
                data[kg].x_relation = data[kg].x_relation.to(dtype)
        aligner = Aligner(epochs=2, graph_channels=16, progress=False).fit(data)
        found.append(aligner.embed())
        assert data["source"].x_image.dtype is kinds[0]
    for other in found[1:]:
        for kg, z in found[0].items():
            assert z.equal(other[kg])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.int16])
def test_a_float64_model_keeps_float64(kind):
    data = SyntheticMMKG(num_entities=60)[0]
    for kg in data.node_types:
        data[kg].x_image = (20 * data[kg].x_image).round().to(kind)
    model = IBMEA.from_data(data, graph_channels=16).double().eval()
    graph = model.graph_of(data)
    assert graph.neighbors["neighbor_image"]["source"][0].dtype is torch.float64
    z = model(data)
    for kg in data.node_types:
        for modality in ("relation", "attribute", "image", "name"):
            data[kg][f"x_{modality}"] = data[kg][f"x_{modality}"].double()
    assert all(z.z[kg].dtype is torch.float64 for kg in data.node_types)
    assert all(z.z[kg].equal(model(data).z[kg]) for kg in data.node_types)


def test_own_encoders_get_the_type_of_the_model():
    data = SyntheticMMKG(num_entities=60)[0]
    for kg in data.node_types:
        data[kg].x_image = data[kg].x_image.double()
    own = torch.nn.Linear(data["source"].x_image.size(1), 8)
    model = IBMEA.from_data(data, encoders={"image": own})
    assert model(data).latents["image"]["source"].dtype is torch.float32


def test_the_modal_encoder_alone_takes_any_type():
    encoder = ModalVIBEncoder({"m": 3}, 2).eval()
    x = torch.tensor([[1, 0, 2], [0, 0, 0]])
    expected = encoder({"m": x.float()})[0]["m"]
    for kind in KINDS[:-1]:
        assert encoder({"m": x.to(kind)})[0]["m"].equal(expected)
        sparse = encoder({"m": x.to(kind).to_sparse()})[0]["m"]
        torch.testing.assert_close(sparse, expected)
