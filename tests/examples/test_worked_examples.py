import csv
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def examples(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.usefixtures("examples")
def test_hetero_conv_learns(capsys):
    import hetero_conv

    assert hetero_conv.main(epochs=40) > 0.6  # Chance is 0.25.
    out = capsys.readouterr().out
    assert out.count("nats per node") == 5


@pytest.mark.usefixtures("examples")
def test_noisy_nodes_writes_table_and_plot(tmp_path, monkeypatch, capsys):
    import noisy_nodes

    options = ["--epochs", "10", "--seeds", "1", "--noise", "0.0", "0.9"]
    argv = ["noisy_nodes.py", "--out", str(tmp_path / "out"), *options]
    monkeypatch.setattr(sys, "argv", argv)
    noisy_nodes.main()
    with open(tmp_path / "out" / "accuracy.csv") as file:
        clean, noisy = csv.DictReader(file)
    for model in ("GATConv", "DiagonalGATConv", "VariationalIBConv"):
        assert float(clean[model]) > 0.5
        assert float(clean[model]) > float(noisy[model])
    assert (tmp_path / "out" / "accuracy.png").stat().st_size > 5000
    assert "betas chosen" in capsys.readouterr().out
