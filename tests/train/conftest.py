import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import modalities_of
from pyg_ibmea.train import Objective
from pyg_ibmea.train._stages import Stages


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=120)[0]


@pytest.fixture
def model(data):
    torch.manual_seed(0)
    return IBMEA.from_data(data, graph_channels=16, modal_channels=8)


@pytest.fixture(scope="session")
def run_stages():
    """Runs all trainings of a run, as the front door does, which then asks more."""

    def run(data, options, log):
        def make_model(problem):
            return IBMEA.from_data(problem, options=options.model)

        def make_objective(model):
            known = modalities_of(data)
            return Objective.from_options(options.loss, model.modalities, known)

        device = torch.device("cpu")
        stages = Stages(data, options, log, make_model, make_objective, 0, device)
        return stages.run()

    return run
