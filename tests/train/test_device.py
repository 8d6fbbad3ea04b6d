import pretended_cuda
import pytest
import torch
from pretended_cuda import on_pretended_cuda

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.train import Options, TrainingState
from pyg_ibmea.train._device import moved


def test_a_problem_on_the_cpu_is_as_it_was(data):
    there = moved(data, torch.device("cpu"))
    assert there is not data
    assert there["source"].x_relation is data["source"].x_relation


def features_on_cuda(memory):
    data = SyntheticMMKG(num_entities=120)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended_cuda, "memory_bytes", memory)
        there = moved(data, torch.device("cuda"))
    assert [data[kg].x_relation.device.type for kg in data.node_types] == ["cpu"] * 2
    return [
        (x.layout == torch.strided, x.to_dense().tolist())
        for kg in data.node_types
        for x in (there[kg].x_relation, there[kg].x_attribute, there[kg].x_image)
    ]


def test_modalities_become_dense_on_a_gpu_as_far_as_they_fit(data):
    graphs = [data[kg] for kg in data.node_types]
    relation, attribute = (
        sum(4 * graph[key].numel() for graph in graphs)
        for key in ("x_relation", "x_attribute")
    )
    assert relation < attribute
    rows = [
        x.to_dense().tolist()
        for graph in graphs
        for x in (graph.x_relation, graph.x_attribute, graph.x_image)
    ]
    for room, dense in (
        (relation - 1, [False, False, True]),
        (relation, [True, False, True]),
        (relation + attribute, [True, True, True]),
    ):
        found = on_pretended_cuda(features_on_cuda, 8 * room)
        assert found == list(zip(2 * dense, rows, strict=True))


def restored_generators(device):
    """How many generators of GPUs are kept, and which of four are restored, where."""
    model = torch.nn.Linear(2, 2).to(device)
    state = TrainingState.create(model, Options())
    kept, restored = state.state_dict(), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "set_rng_state", lambda *two: restored.append(two))
        of_each = [torch.tensor([number], dtype=torch.uint8) for number in range(4)]
        state.load_state_dict({**kept, "rng_cuda": of_each})
    return len(kept["rng_cuda"]), [(s.tolist(), str(where)) for s, where in restored]


def test_only_the_generator_of_the_device_of_the_model_is_kept():
    assert restored_generators("cpu") == (0, [])
    assert on_pretended_cuda(restored_generators, "cpu") == (0, [])
    assert on_pretended_cuda(restored_generators, "cuda") == (1, [([0], "cuda:0")])
