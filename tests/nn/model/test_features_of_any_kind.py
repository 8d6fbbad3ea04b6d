"""Whole trainings on features as engineers have them."""

import math

import pytest
import torch

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG
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
