"""A whole run on a pretended GPU; its models go on working on the CPU."""

import json

import numpy as np
from pretended_cuda import on_pretended_cuda

from pyg_ibmea import Aligner
from pyg_ibmea.datasets import SyntheticMMKG


def run_on_gpu(folder):
    data = SyntheticMMKG(num_entities=120)[0]
    options = {"graph_channels": 16, "modal_channels": 8, "neighbor_agreement": 0.3}
    aligner = Aligner(epochs=3, device="cuda", progress=False, **options)
    aligner.fit(data, folder)
    assert data["source"].x_image.device.type == "cpu"
    z = aligner.embed()
    assert {rows.device.type for rows in z.values()} == {"cuda"}
    return aligner.evaluate("test"), {kg: rows.cpu().numpy() for kg, rows in z.items()}


def test_a_run_on_a_gpu_and_its_models_on_the_cpu(tmp_path):
    figures, vectors = on_pretended_cuda(run_on_gpu, tmp_path / "run")
    data = SyntheticMMKG(num_entities=120)[0]
    aligner = Aligner.load(tmp_path / "run", data, device="cpu")
    for kg, rows in aligner.embed().items():
        np.testing.assert_allclose(rows.numpy(), vectors[kg], atol=1e-5)
    again = aligner.evaluate("test")
    for decoder, directions in figures.items():
        assert abs(directions["mean"]["mrr"] - again[decoder]["mean"]["mrr"]) < 0.02
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["peak_cuda_mb"] == 3
    assert metrics["peak_rss_mb"] > 10
