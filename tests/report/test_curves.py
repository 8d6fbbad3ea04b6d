import builtins
import json

import pytest
from PIL import Image

from pyg_ibmea.report import plot_curves


def write_metrics(folder, epochs):
    with open(folder / "metrics.jsonl", "w") as file:
        for epoch in epochs:
            line = {
                "epoch": epoch,
                "seconds": epoch,
                "loss": {
                    "total": 3 / epoch,
                    "hybrid": 1 / epoch,
                    "info_nce/graph": 2 / epoch,
                    "kl/graph": 100 + epoch,
                },
                "val": {"hits@1": 1 - 1 / epoch, "mrr": 1 - 1 / epoch},
                "weights": {"graph": 0.6, "image": 0.4},
            }
            file.write(json.dumps(line) + "\n")


def test_draws_a_picture(tmp_path):
    write_metrics(tmp_path, [5, 10, 15])
    path = plot_curves(tmp_path)
    assert path == tmp_path / "curves.png"
    assert {p.name for p in tmp_path.iterdir()} == {"curves.png", "metrics.jsonl"}
    with Image.open(path) as image:
        assert image.size == (1200, 840)
        # Axes and lines, not a blank page.
        assert len(image.convert("RGB").getcolors(maxcolors=10**6)) > 50


def test_other_figures_give_another_picture(tmp_path):
    write_metrics(tmp_path, [5, 10])
    first = plot_curves(tmp_path).read_bytes()
    write_metrics(tmp_path, [5, 10, 15])
    assert plot_curves(tmp_path).read_bytes() != first


def test_nothing_to_draw(tmp_path):
    with pytest.raises(FileNotFoundError):
        plot_curves(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="has no evaluation yet"):
        plot_curves(tmp_path)


def test_without_matplotlib(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'pip install "pyg_ibmea\[plot\]"'):
        plot_curves(tmp_path)
