import json
import random
import shutil
import types

import pytest
import torch

from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import IBMEA

safetensors = pytest.importorskip("safetensors")
pytest.importorskip("safetensors.torch")


@pytest.fixture
def data():
    return SyntheticMMKG(num_entities=60)[0]


def make(data, **options):
    torch.manual_seed(0)
    small = {"graph_channels": 8, "modal_channels": 4, "modal_dropout": 0.1}
    return IBMEA.from_data(data, **small, **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"preset": "paper", "bottleneck": ["graph"]},
        {"modalities": ["relation", "attribute"]},
        {"modalities": ["graph"], "share_seeds": False},
    ],
)
def test_the_same_model_comes_back(data, options, tmp_path):
    model = make(data, **options)
    if model.embedding is not None and "preset" not in options:
        free = torch.arange(3)
        model.share({"source": free, "target": free})
    model.save_pretrained(tmp_path / "new")
    again = IBMEA.from_pretrained(tmp_path / "new")
    assert not again.training
    first, second = model.eval()(data), again(data)
    for kg in ("source", "target"):
        assert first.z[kg].equal(second.z[kg])
    assert repr(again) == repr(model)
    # And it can be trained on and saved once more.
    again.train()
    again.save_pretrained(tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]


@pytest.mark.parametrize(
    ("written", "kl"),
    [
        ("features", ["name"]),
        (True, ["graph", "name", "neighbor_name"]),
        (False, []),
        (["graph", "name"], ["graph", "name"]),
    ],
)
def test_folders_written_before_there_were_options(data, tmp_path, written, kl):
    """A configuration as it was when bottleneck was saved in the form it came in."""
    model = make(data, modalities=["graph", "name"], bottleneck=written)
    model.save_pretrained(tmp_path)
    config = {
        "class": "IBMEA",
        "num_nodes": {"source": 60, "target": 60},
        "in_channels": {"name": data["source"].x_name.size(1)},
        "use_graph": True,
        "num_edge_types": model.graph_encoder.num_edge_types,
        "relational": True,
        "graph_channels": 8,
        "modal_channels": 4,
        "num_layers": 2,
        "heads": 1,
        "dropout": 0.3,
        "residual": True,
        "neighbor_features": True,
        "modal_dropout": 0.1,
        "separate_stacks": False,
        "bottleneck": written,
        "init_logstd": -3.0,
        "count_modalities": ["relation"],
    }
    # What is written now has the same keys, on one level, and one more.
    now = json.loads((tmp_path / "config.json").read_text())
    assert set(now) - set(config) == {"share_seeds"}
    assert set(config) <= set(now)
    (tmp_path / "config.json").write_text(json.dumps(config))
    again = IBMEA.from_pretrained(tmp_path)
    output = again(data)
    assert list(output.kl) == kl
    assert output.z["source"].equal(model.eval()(data).z["source"])
    assert again.options == model.options


def test_damaged_folders(data, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json is missing"):
        IBMEA.from_pretrained(tmp_path)
    make(data).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for change, message in [
        ({**config, "graph_channels": 9}, "do not fit the configuration"),
        ({**config, "taste": 1}, "do not fit the configuration: .* 'taste'"),
        ({**config, "heads": 0}, "do not fit the configuration: heads"),
        ({**config, "class": "Other"}, "holds a model Other, not IBMEA"),
        ({}, "describes no model"),
        ([], "describes no model"),
    ]:
        (tmp_path / "config.json").write_text(json.dumps(change))
        with pytest.raises(ValueError, match=message):
            IBMEA.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot be read"):
        IBMEA.from_pretrained(tmp_path)
    make(data).save_pretrained(tmp_path)
    assert IBMEA.from_pretrained(tmp_path).num_nodes == {"source": 60, "target": 60}


def test_no_flipped_bit_of_the_weights_is_silent(data, tmp_path):
    model = make(data, modalities=["relation"])
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    whole = path.read_bytes()
    header = 8 * (8 + int.from_bytes(whole[:8], "little"))
    draw = random.Random(0)
    bits = [*draw.sample(range(header), 40), *draw.sample(range(8 * len(whole)), 40)]
    told = 0
    for bit in bits:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            found = IBMEA.from_pretrained(tmp_path).state_dict()
        except ValueError:
            told += 1
            continue
        for name, value in model.state_dict().items():
            assert value.equal(found[name])
    assert told > 70
    path.write_bytes(whole)
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file(tensors, path)  # As version 0.1 did, without a hash.
    IBMEA.from_pretrained(tmp_path)


def test_upload_has_what_is_needed_to_load_it(data, tmp_path, monkeypatch):
    """Without a network: what the hub is given is kept in a folder."""
    hub = pytest.importorskip("huggingface_hub")
    model, asked = IBMEA.from_data(data, graph_channels=8, modal_channels=4), {}

    class Api:
        def __init__(self, token=None):
            asked["token"] = token

        def create_repo(self, repo_id, exist_ok=False):
            asked["made"] = (repo_id, exist_ok)

        def upload_folder(self, folder_path, repo_id, **options):
            shutil.copytree(folder_path, tmp_path / "there")
            asked.update(options, repo_id=repo_id)
            return types.SimpleNamespace(commit_url="https://hub/commit")

    monkeypatch.setattr(hub, "HfApi", Api)
    url = model.push_to_hub("me/model", token="secret", revision="first")
    assert url == "https://hub/commit"
    assert asked == {
        "token": "secret", "made": ("me/model", True), "revision": "first",
        "repo_id": "me/model",
    }  # fmt: skip
    again = IBMEA.from_pretrained(tmp_path / "there")
    model.eval()
    assert again(data).z["source"].equal(model(data).z["source"])
