import json
import math

import pytest

from pyg_ibmea.run_files import read_config, read_history, read_metrics

LINE = {
    "epoch": 1,
    "seconds": 0.5,
    "loss": {"total": 2.0},
    "val": {"hits@1": 0.5, "mrr": 0.6},
    "weights": {"graph": 1.0},
    "information": {"graph": {"prediction": 1.0}},
}


def test_files_that_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a run folder: it has no conf"):
        read_config(tmp_path)
    with pytest.raises(FileNotFoundError, match="has the training ended"):
        read_metrics(tmp_path)
    assert read_history(tmp_path) == []


def test_edited_files_name_the_key_and_the_way_out(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"seed": "x"}))
    with pytest.raises(
        ValueError,
        match=r"config\.json: expected a whole number, at least 0 under seed, found "
        r"'x'; restore the file, or train into another folder",
    ):
        read_config(tmp_path)
    metrics = {"confidence": {"coverage": [], "expected_calibration_error": 0.1}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(
        ValueError,
        match=r"metrics\.json: expected a list under confidence\.reliability",
    ):
        read_metrics(tmp_path)


def test_lines_of_the_history(tmp_path):
    path = tmp_path / "metrics.jsonl"
    text = json.dumps(LINE)
    path.write_text(f"{text}\r\n\n{text}\n{text[:20]}")
    assert read_history(tmp_path, ("hits@1", "mrr")) == [LINE, LINE]
    with pytest.raises(ValueError, match=r"line 1: expected a number under val\.mr,"):
        read_history(tmp_path, ("mr",))
    path.write_text(f"{text}\nnull\n")
    with pytest.raises(ValueError, match=r"jsonl, line 2: expected an object { }, fou"):
        read_history(tmp_path)
    path.write_text(json.dumps({**LINE, "loss": {"total": math.nan}}) + "\n")
    assert math.isnan(read_history(tmp_path)[0]["loss"]["total"])
