"""What a training asks of a GPU, on a pretended one.

A wait is worth tens of launches: the device idles until the host has caught up.
"""

import pytest
import torch
from pretended_cuda import on_pretended_cuda, tally

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA
from pyg_ibmea.problem import modalities_of
from pyg_ibmea.train import Objective, Options, information_plane
from pyg_ibmea.train._device import moved
from pyg_ibmea.train._memory_log import MemoryLog
from pyg_ibmea.train._training import Training


def begun_training(device):
    """A training of 200 entities on each side, with all defaults."""
    torch.manual_seed(0)
    data, options = SyntheticMMKG(num_entities=200)[0], Options()
    model = IBMEA.from_data(data, options=options.model).to(device)
    objective = Objective.from_options(
        options.loss, model.modalities, modalities_of(data)
    )
    problem = moved(data, torch.device(device))
    training = Training(problem, model, objective, options, MemoryLog(), progress=False)
    training.graph = model.graph_of(problem)
    training.state.epoch = 1
    return training


def second_epoch():
    training = begun_training("cuda")
    training.train_epoch()
    with tally() as counts, tally(triton=True) as with_triton:
        training.train_epoch()
    batches = training._batches(training._links())
    return counts, with_triton, len(batches)


@pytest.fixture(scope="module")
def epoch():
    """What an epoch asks of the device after a first one, without Triton and with it,
    and its number of steps.
    """
    return on_pretended_cuda(second_epoch)


def test_a_step_waits_for_its_loss_and_for_who_has_what(epoch):
    counts, _, steps = epoch
    # Once more an epoch, for the means of the loss terms.
    assert counts.waits.total() <= 2 * steps + 1, str(counts)


def test_launches_of_a_step(epoch):
    counts, with_triton, steps = epoch
    assert with_triton.launches.total() <= 511 * steps, str(with_triton)
    assert counts.launches.total() <= 599 * steps, str(counts)


def validation():
    training = begun_training("cuda")
    with tally() as counts:
        information_plane(training.state.model, training.data, "val", training.graph)
    return counts, len(training.state.model.modalities)


def test_a_modality_on_the_information_plane_waits_for_five_things():
    counts, modalities = on_pretended_cuda(validation)
    here = [n for (line, _), n in counts.waits.items() if "_information.py" in line]
    # Their number of pairs, their rows on both sides, the bound and the KL.
    assert sum(here) <= 5 * modalities, str(counts)
