import csv
import sys
from pathlib import Path

import pytest
from PIL import Image

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


def tiny_emoji(folder):
    """Twenty emoji with a keyword of their own and one of a neighbour's, and a flag."""
    names = [f"E{i:02}" for i in range(20)]
    rows = [f"{name}\t?\tSymbols\tx\t1.0\t{name}.png" for name in names]
    flag = "F00\t?\tFlags\tx\t1.0\tF00.png"
    (folder / "emoji.tsv").write_text("\n".join([*rows, flag]) + "\n")
    for language in ("zh", "en", "ja"):
        words = [f"{name}\t{language} {(i + k) // 2 % 10}"
                 for i, name in enumerate(names) for k in (0, 1)]  # fmt: skip
        only = ["E00\talone", f"F00\t{language} 0"]
        table = "\n".join([*words, *only]) + "\n"
        (folder / f"keywords_{language}.tsv").write_text(table)
    for vendor in ("google", "twitter"):
        (folder / f"img_{vendor}").mkdir()
        for i, name in enumerate(names):
            picture = Image.new("RGB", (16, 16), (12 * i, 255 - 12 * i, 60 * (i % 4)))
            picture.save(folder / f"img_{vendor}" / f"{name}.png")


@pytest.mark.usefixtures("examples")
def test_own_graphs_writes_files_and_figures(tmp_path, monkeypatch, capsys):
    import own_graphs
    from emoji_tables import read_table

    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    monkeypatch.setattr(sys, "argv", ["own_graphs.py", "--raw", str(raw)])
    with pytest.raises(SystemExit):
        own_graphs.main()
    assert f"{raw} has no emoji.tsv" in capsys.readouterr().err
    tiny_emoji(raw)
    options = ["--epochs", "2", "--refits", "0", "--no-iterative"]
    argv = ["own_graphs.py", "--raw", str(raw), "--out", str(out), *options]
    monkeypatch.setattr(sys, "argv", argv)
    assert own_graphs.main() == 0
    with open(out / "figures.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["problem"] for row in rows] == [
        "as it is", "80% of one side's images missing", "a third graph, ja",
        "20% of one side's emoji missing",
    ]  # fmt: skip
    assert all(0 <= float(row["Hits@1 CSLS"]) <= 1 for row in rows)
    lonely = [row["F1 of those without counterpart"] for row in rows]
    assert lonely[:3] == ["", "", ""]
    assert 0 <= float(lonely[3]) <= 1
    assert ",".join(rows[0]) in capsys.readouterr().out

    def table(folder, name):
        return read_table(out / folder / name)

    # A keyword of a single emoji is no entity, a flag no emoji.
    assert all("alone" not in tail for _, _, tail in table("plain", "triples_zh.tsv"))
    assert len(table("plain", "triples_zh.tsv")) == 40
    assert len(table("plain", "emoji_zh.tsv")) == 20
    assert len(table("unseen", "images_en.tsv")) == 4
    assert len(table("unseen", "images_zh.tsv")) == 20
    gone = {row[0] for row in table("lost", "alone.tsv")}
    there = {row[0] for row in table("lost", "emoji_en.tsv")}
    assert len(gone) == 4
    assert not gone & there
    assert {head for head, _, _ in table("lost", "triples_en.tsv")} <= there
    assert {e for e, _ in table("lost", "same_zh_en.tsv")} == there
