import torch

from pyg_ibmea.align import ranking_metrics
from pyg_ibmea.report import candidates_line, metrics_table


def test_every_figure_stands_in_its_row_and_column():

    z = torch.randn(9, 4)
    noisy = z + torch.randn(9, 4)
    metrics = {d: ranking_metrics(z, noisy, decoder=d) for d in ("cosine", "csls")}
    header, *rows = metrics_table(metrics, "zh", "en").splitlines()
    assert header.split() == ["decoder", "direction", "Hits@1", "Hits@10", "MR", "MRR"]
    assert len(rows) == 6
    assert len({len(row) for row in [header, *rows]}) == 1
    values = metrics["csls"]["target_to_source"]
    expected = [
        *("csls", "en", "->", "zh"),
        *(f"{values['hits@1']:.3f}", f"{values['hits@10']:.3f}"),
        *(f"{values['mr']:.1f}", f"{values['mrr']:.3f}"),
    ]
    assert rows[4].split() == expected


def test_large_ranks_keep_the_columns():
    row = {"hits@1": 0.0, "hits@10": 0.0, "mr": 123456.7, "mrr": 0.0}
    table = metrics_table(
        {"csls": {**row, "target_to_source": row, "mean": row}}, "a", "b"
    )
    assert len({len(line) for line in table.splitlines()}) == 1


def test_candidates_are_told_with_what_was_ranked():
    found = {"search": "hnsw", "nearest": 67, "pairs": 98_765_432}
    ranked = {"test": 5000, "val": 4321}
    assert candidates_line({**found, "ranked": ranked, "recall": 0.9876}) == (
        "chosen among 98,765,432 candidate pairs (hnsw, 67 nearest entities of each), "
        "which hold 98.8% of the validation pairs; ranked: 5,000 test pairs and 4,321 "
        "validation pairs"
    )
    alone = candidates_line({**found, "ranked": {}})
    assert alone.endswith("67 nearest entities of each)")
    assert candidates_line({}) == ""
