"""The front door."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from three_graphs import three_graphs

from pyg_ibmea import Aligner, Alignment
from pyg_ibmea.align import CSLS, Sinkhorn, ranking_metrics
from pyg_ibmea.data import add_entities
from pyg_ibmea.datasets import SyntheticMMKG
from pyg_ibmea.nn import ModelOptions
from pyg_ibmea.problem import links_of, unaligned_entities
from pyg_ibmea.train import Options, Stopped
from pyg_ibmea.train._training import Training

# Notes for a user, which a few epochs on small graphs earn.
pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")

SMALL = {
    "epochs": 4,
    "eval_every": 2,
    "graph_channels": 16,
    "modal_channels": 8,
    "progress": False,
}
PSEUDO_SEEDS = {
    "iterative": True,
    "propose_from": 2,
    "propose_every": 1,
    "propose_easing": 0,
    "propose_threshold": 0.2,
}
PAIR = ("source", "target")


def files(folder):
    """What must be the same: all but time and memory."""
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = {k: v for k, v in metrics.items() if k not in ("seconds", "peak_rss_mb")}
    return kept, (folder / "alignment.tsv").read_text()


@pytest.fixture(scope="module")
def data():
    return SyntheticMMKG(num_entities=120)[0]


@pytest.fixture(scope="module")
def fitted(data):
    return Aligner(**SMALL).fit(data)


def test_figures_are_those_of_the_embeddings(fitted, data):
    links = links_of(data, "test")
    z = fitted.embed()
    expected = ranking_metrics(
        z["source"][links[0]], z["target"][links[1]], Sinkhorn(0.02)
    )
    found = fitted.evaluate("test", agreement=False)
    assert found["sinkhorn"]["mean"] == pytest.approx(expected["mean"])
    assert fitted.evaluate("test")["sinkhorn"] != found["sinkhorn"]
    rows = str(found).splitlines()
    assert rows[0].split() == ["decoder", "direction", "Hits@1", "Hits@10", "MR", "MRR"]
    assert f"{expected['hits@1']:.3f}" in rows[-3]
    assert "<pre>" in found._repr_html_()
    assert found.pairs.keys() == {PAIR}
    with pytest.raises(ValueError, match="part must be 'test' or 'val', got 'train'"):
        fitted.evaluate("train")


def test_the_share_of_right_matches_comes_first(fitted, data):
    found = fitted.evaluate("test")
    true = set(map(tuple, links_of(data, "test").t().tolist()))
    matches = fitted.align()
    written = zip(matches.source.tolist(), matches.target.tolist(), strict=True)
    right = sum(pair in true for pair in written)
    figures = found.matches[PAIR]
    assert (figures["right"], figures["asked"]) == (right, len(true))
    assert fitted.metrics()["matches"]["test"] == figures
    first, second, *table = str(found).splitlines()
    assert f"{right / len(true):.3f} right ({right} of {len(true)}; 95%" in first
    assert "among the counterparts of the test pairs" in second
    assert table[0].split()[0] == "decoder"
    assert first.split(";")[0] in found._repr_html_()
    val = fitted.evaluate("val")
    assert val.matches[PAIR] == fitted.metrics()["matches"]["val"]
    assert "models that did not learn from them" in str(val)


def test_a_match_for_every_entity_outside_the_seed_pairs(fitted, data):
    matches = fitted.align()
    assert isinstance(matches, Alignment)
    sources, targets = unaligned_entities(data, ("train", "val"))
    assert matches.source.tolist() == sources.tolist()
    assert np.isin(matches.target, targets).all()
    match = matches[0]
    assert match.source == data.uri["source"][int(sources[0])]
    assert fitted.align() is matches  # Worked out once.


def test_with_and_without_a_run_folder(fitted, data, tmp_path):
    beside = {"notes.txt": "läßt\r\n"}
    again = Aligner(**SMALL).fit(
        data, tmp_path / "run", about={"from": "a test"}, files=beside
    )
    assert (tmp_path / "run" / "notes.txt").read_bytes() == b"l\xc3\xa4\xc3\x9ft\r\n"
    (tmp_path / "run" / "notes.txt").unlink()
    assert str(again.align()) == str(fitted.align())
    assert again.evaluate("val") == fitted.evaluate("val")
    assert again.history_[-1]["loss"] == fitted.history_[-1]["loss"]
    assert again.metrics_["test"] == fitted.metrics()["test"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["from"] == "a test"
    assert config["beta"] == {"*": 1e-4, "relation": 1e-3, "attribute": 1e-3}
    assert Options.from_flat(config) == again.options
    # Saved afterwards it is the same.
    fitted.save(tmp_path / "saved")
    assert files(tmp_path / "saved") == files(tmp_path / "run")
    for folder in ("saved", "run"):
        loaded = Aligner.load(tmp_path / folder, data)
        assert str(loaded.align()) == str(fitted.align())
        assert loaded.evaluate("test") == fitted.evaluate("test")
        assert loaded.best_epoch_ == fitted.best_epoch_
        epochs = [line["epoch"] for line in loaded.history_]
        assert epochs == [line["epoch"] for line in fitted.history_]
    with pytest.raises(FileExistsError, match="already holds another run"):
        fitted.save(tmp_path / "run")


def test_pseudo_seeds_and_refits_load_as_they_were(data, tmp_path):
    options = {**SMALL, **PSEUDO_SEEDS, "refits": 2, "refit_epochs": 2}
    aligner = Aligner(**options).fit(data, tmp_path / "run")
    assert aligner.metrics_["pseudo_seeds"]["pairs"] > 0
    loaded = Aligner.load(tmp_path / "run")
    with pytest.raises(RuntimeError, match="does not hold its data; pass data="):
        loaded.align()
    assert str(loaded.align(data)) == str(aligner.align())
    assert loaded.evaluate("val") == aligner.evaluate("val")
    aligner.save(tmp_path / "saved")
    assert files(tmp_path / "saved") == files(tmp_path / "run")
    assert str(Aligner.load(tmp_path / "saved", data).align()) == str(aligner.align())
    with pytest.raises(ValueError, match="saved weights only and cannot be resumed"):
        Aligner(**options).fit(data, tmp_path / "saved", resume=True)


def test_three_graphs(tmp_path):
    data = three_graphs(size=40)
    aligner = Aligner(**SMALL).fit(data, tmp_path / "run")
    matches, found = aligner.align(), aligner.evaluate("test")
    assert set(matches.pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    hits = [figures["csls"]["hits@1"] for figures in found.pairs.values()]
    assert found["csls"]["hits@1"] == pytest.approx(sum(hits) / 3)
    assert str(found).count("direction") == 3
    members = aligner.clusters().members
    lines = (tmp_path / "run" / "clusters.tsv").read_text().splitlines()
    assert len(lines) == len(members) + 1
    assert str(Aligner.load(tmp_path / "run", data).align()) == str(matches)


def test_without_validation_or_test_pairs():
    data = SyntheticMMKG(num_entities=100, val_ratio=0.0, ratio=1.0)[0]
    aligner = Aligner(refits=1, **SMALL).fit(data)
    assert aligner.history_ == []
    for part in ("val", "test"):
        with pytest.raises(ValueError, match=f"there are no {part} pairs"):
            aligner.evaluate(part)


def test_a_decoder_of_ours(data, fitted):
    aligner = Aligner(decoder=CSLS(k=1), **SMALL).fit(data)
    assert aligner.align().decoder == {PAIR: "csls"}
    theirs = fitted.evaluate("test")["csls"]
    assert aligner.evaluate("test")["csls"] != theirs
    assert Aligner(decoder="sinkhorn").decoder == Sinkhorn()


def test_entities_that_came_later(fitted, data):
    triple = ("new", "0", data.uri["source"][0])
    more = add_entities(data, "source", ["new"], [triple])
    found = fitted.align(more)
    assert found[-1].source == "new"
    assert len(found) == len(fitted.align()) + 1
    assert fitted.embed(more)["source"].shape[0] == 121


def test_it_is_shown_by_what_differs_from_the_defaults(fitted):
    assert repr(Aligner()) == "Aligner()"
    shown = repr(Aligner(epochs=3, heads=1, decoder=CSLS(k=10), modalities=["graph"]))
    assert shown == "Aligner(modalities=['graph'], epochs=3, decoder=CSLS(k=10))"
    html = fitted._repr_html_()
    assert f"weights of epoch {fitted.best_epoch_} of 4" in html
    assert html.count("<tr>") == 1 + len(fitted.history_)
    assert "not trained yet" in Aligner()._repr_html_()
    odd = Aligner(modalities=["<b>"])._repr_html_()
    assert "<b>" not in odd


def test_options_by_name_preset_or_all_at_once():
    assert Aligner(preset="paper").options.model == ModelOptions.preset("paper")
    options = Options.of(epochs=7)
    assert Aligner(options=options, lr=0.5).options.by_name()["lr"] == 0.5
    with pytest.raises(TypeError, match="no option 'epoch'; did you mean 'epochs'"):
        Aligner(epoch=3)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        Aligner(epochs=0)
    with pytest.raises(ValueError, match="options or a preset"):
        Aligner(options=options, preset="paper")
    with pytest.raises(ValueError, match=r"preset must be one of \['paper'"):
        Aligner(preset="papre")


def test_what_is_wrong_is_said_before_anything_is_written(data, tmp_path):
    out = tmp_path / "run"
    holed = data.clone()
    holed["target"].x_image[7] = torch.nan
    for aligner, problem, message in [
        (Aligner(device="abacus"), data, "'abacus' cannot be used"),
        (Aligner(modalities=["taste"]), data, "no modality 'taste'"),
        (Aligner(beta={"taste": 1.0}), data, "beta is given for 'taste'"),
        (Aligner(bottleneck=("taste",)), data, "taste"),
        (Aligner(), holed, r"\['target'\].x_image holds NaN.* in 1 of .* entity '"),
        (Aligner(), torch.nn.Module(), "HeteroData, got Module"),
        (Aligner(), SyntheticMMKG(num_entities=60), r"take dataset\[0\]"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            aligner.fit(problem, out)
    assert not out.exists()
    with pytest.raises(RuntimeError, match=r"call fit\(data\) first"):
        Aligner().align()
    with pytest.raises(RuntimeError, match=r"call fit\(data\) first"):
        Aligner().save(out)
    with pytest.raises(ValueError, match="say which run folder"):
        Aligner().fit(data, resume=True)
    with pytest.raises(FileNotFoundError, match="is not a run folder"):
        Aligner.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        Aligner.load(tmp_path)


def test_a_run_without_its_checkpoint_or_with_other_data(data, tmp_path):
    Aligner(**SMALL).fit(data, tmp_path / "run")
    other = SyntheticMMKG(num_entities=90)[0]
    with pytest.raises(ValueError, match="of another model or other data"):
        Aligner.load(tmp_path / "run", other)
    (tmp_path / "run" / "checkpoint.pt").unlink()
    with pytest.raises(FileNotFoundError, match="has the training ended"):
        Aligner.load(tmp_path / "run", data)


def test_an_interrupt_is_a_keyboard_interrupt_and_can_be_resumed(
    data, tmp_path, monkeypatch
):
    whole = Aligner(**SMALL).fit(data, tmp_path / "whole")

    train_epoch = Training.train_epoch

    def interrupted(training):
        if training.state.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return train_epoch(training)

    monkeypatch.setattr(Training, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        Aligner(**SMALL).fit(data, tmp_path / "half")
    assert isinstance(stopped.value, Stopped)
    assert f"epoch 2 of {tmp_path / 'half'}" in str(stopped.value)
    monkeypatch.undo()
    half = Aligner(**SMALL).fit(data, tmp_path / "half", resume=True)
    assert files(tmp_path / "half") == files(tmp_path / "whole")
    assert str(half.align()) == str(whole.align())


def test_importing_the_package_is_light():
    code = """
import sys, pyg_ibmea
assert "torch" not in sys.modules
import torch_geometric
before = set(sys.modules)
from pyg_ibmea import Aligner
added = {name.split(".")[0] for name in set(sys.modules) - before}
heavy = {"numba", "matplotlib", "transformers", "sklearn", "pandas", "faiss", "PIL"}
print(sorted(added & heavy))
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
