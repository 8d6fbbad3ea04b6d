import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=120)[0]


@pytest.fixture
def model(data):
    torch.manual_seed(0)
    return IBMEA.from_data(data, graph_channels=16, modal_channels=8)
