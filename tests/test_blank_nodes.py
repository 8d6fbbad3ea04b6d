"""Files with blank nodes, from training to a merged graph."""

import re
from pathlib import Path

import numpy as np
import pytest

from pyg_ibmea.cli import main

pytest.importorskip("pyoxigraph")
pytestmark = pytest.mark.filterwarnings("ignore:(modality|the bottleneck|pseudo-seeds)")
TINY = ["--epochs", "1", "--eval-every", "1", "--graph-channels", "8", "--refits", "0",
        "--modal-channels", "8", "--propose-from", "2"]  # fmt: skip


def test_merging_after_a_training_on_blank_nodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    triples = random.integers(0, [40, 3, 40], (200, 3)).tolist()
    words = ["train"]
    for side in "ab":
        lines = [f"<urn:{side}{h}> <urn:r{r}> <urn:{side}{t}> ." for h, r, t in triples]
        lines += [f"<urn:{side}{i}> <urn:has> [ <urn:r0> <urn:{side}0> ] ."
                  for i in range(40)]  # fmt: skip
        (tmp_path / f"{side}.ttl").write_text("\n".join(lines))
        words += ["--graph", side, f"rdf={tmp_path / side}.ttl"]
    links = [f"urn:a{i}\turn:b{i}\n" for i in range(30)]
    (tmp_path / "links.tsv").write_text("".join(links))
    words += ["--links", "a", "b", str(tmp_path / "links.tsv")]
    run = tmp_path / "run"
    words += ["--cache", str(tmp_path / "cache"), "--out", str(run)]
    assert main([*words, *TINY]) == 0
    found = (run / "alignment.tsv").read_text()
    assert "\t_:b" in found
    export = ["export", str(run), "--to", str(tmp_path / "m.nt")]
    for what in ("merged", "matches"):
        with pytest.warns(UserWarning, match="statements? about blank nodes"):
            assert main([*export, "--what", what, "--min-confidence", "0"]) == 0
        lines = (tmp_path / "m.nt").read_text().splitlines()
        same = [line for line in lines if "owl#sameAs" in line]
        assert same
        assert not re.search("_:|x-entity", "".join(same))
    assert main(["align", str(run)]) == 0
    assert (run / "alignment.tsv").read_text() == found
