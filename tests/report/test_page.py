import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pyg_ibmea.align import Alignment
from pyg_ibmea.report import confidence_table, write_page

HOSTILE = '</script><script>document.title="taken"</script><img src=x onerror=alert(1)>'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def save_matches(
    folder: Path,
    rows: list[tuple[str, str, float, float]],
    pairs: list[tuple[str, str]],
) -> None:
    """Writes source, target, score and confidence of matches, and their graphs."""
    numbers = range(len(rows))
    kinds = list(dict.fromkeys(pairs))
    uris: dict[str, list[str]] = {kg: [] for pair in kinds for kg in pair}
    for source_and_target, pair in zip(rows, pairs, strict=True):
        for kg, name in zip(pair, source_and_target[:2], strict=True):
            uris[kg].append(name)
    each = list(zip(rows, pairs, strict=True))
    Alignment(
        kinds,
        uris,
        source=[uris[pair[0]].index(row[0]) for row, pair in each],
        target=[uris[pair[1]].index(row[1]) for row, pair in each],
        runner_up=[-1 for _ in numbers],
        score=[row[2] for row in rows],
        margin=[0.0 for _ in numbers],
        confidence=[row[3] for row in rows],
        pair=[kinds.index(pair) for pair in pairs],
    ).save(folder / "alignment.tsv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    row = {"hits@1": 0.5, "hits@10": 0.75, "mr": 2.0, "mrr": 0.625}
    line = {"threshold": 0.9, "precision": 0.9, "recall": 0.4, "f1": 0.55}
    metrics = {
        "test": {"csls": {**row, "target_to_source": row, "mean": row}},
        "matches": {
            "test": {
                "right": 7,
                "asked": 9,
                "precision": 7 / 9,
                "interval": [0.453, 0.937],
            }
        },
        "vectors_alone": {"test": {"csls": {"mean": {**row, "hits@1": 0.4375}}}},
        "confidence": {
            "expected_calibration_error": 0.0421,
            "threshold": 0.3,
            "dangling": {"precision": 0.7, "recall": 0.6, "f1": 0.646},
            "reliability": [{"confidence": 0.25, "right": 0.5, "matches": 4}],
            "coverage": [{"coverage": 0.5, **line}],
        },
        "seconds": 12.0,
    }
    config = {"graphs": [["zh<b>"], ["en"]], "note": HOSTILE}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "config.json").write_text(json.dumps(config))
    rows = [(f"s{i}" if i else HOSTILE, f"t{i}", 0.1 * i, i / 250) for i in range(250)]
    save_matches(tmp_path, rows, [("zh", "en")] * 250)
    return tmp_path


def example() -> dict[str, object]:
    entity = {"uri": "u", "name": HOSTILE, "neighbours": [HOSTILE],
              "image": "javascript:alert(1)"}  # fmt: skip
    picture = {"uri": "v", "image": "data:image/png;base64,AA'onload='x"}
    return {"confidence": 0.9, "source": entity, "target": picture, "truth": entity}


def test_everything_is_there_and_escaped(folder: Path) -> None:
    page = write_page(folder, [example()]).read_text(encoding="utf-8")
    for text in ("0.0421"[:5], "0.646", "0.500", "Alignment of zh&lt;b&gt; and en"):
        assert text in page
    matches = r"Test pairs</th><td>0\.778</td><td>0\.453 to 0\.937</td><td>7 of 9</td>"
    assert re.search(matches + ".*?Ranks among the counterparts", page)
    both = r"Test pairs</th>.*?0\.500.*Test pairs, embeddings only</th>.*?0\.438"
    assert re.search(both, page)
    assert html.escape(HOSTILE) in page
    assert page.count("<script") == 2
    assert "<img src=x" not in page
    assert "javascript:" not in page
    assert "onload='x" not in page
    # Nothing is fetched from elsewhere.
    places = re.findall(r"""<\w+[^>]*\s(?:src|href)=["']?([^"'>]*)""", page)
    assert all(place.startswith("data:") for place in places)
    data = re.search(r'id="data">(.*?)</script>', page, re.S)
    assert data is not None
    rows = json.loads(data.group(1))
    assert rows[0][0] == HOSTILE
    assert len(rows) == 250
    assert [p.name for p in folder.glob(".*")] == []


def test_a_run_that_has_not_ended(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has the training ended"):
        write_page(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        write_page(tmp_path)


def test_without_test_pairs_or_examples(folder: Path) -> None:
    (folder / "metrics.json").write_text("{}")
    page = write_page(folder).read_text()
    assert "How far to trust it" not in page
    assert "Hardest errors" not in page
    assert "All matches" in page


def test_confidence_table_names_entities_without_counterpart(folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text())
    text = confidence_table(metrics["confidence"])
    assert "below confidence 0.300: precision 0.700, recall 0.600, F1 0.646" in text
    assert confidence_table({}) == ""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_in_a_browser(folder: Path) -> None:
    path = write_page(folder, [example()])
    # Clicks that sort by confidence, and a search, done by the page itself.
    text = path.read_text(encoding="utf-8")
    clicks = """<script>
document.querySelector('[data-column="2"]').click();
document.body.dataset.first = document.querySelector("#rows td").textContent;
document.getElementById("search").value = "T24 S24";
document.getElementById("search").dispatchEvent(new Event("input"));
</script></body>"""
    (folder / "clicked.html").write_text(text.replace("</body>", clicks))

    def dom(name: str) -> str:
        command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
                   "--dump-dom", (folder / name).as_uri()]  # fmt: skip
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    before, after = dom("report.html"), dom("clicked.html")
    assert "<title>Alignment of" in before
    assert before.count("<tr><td>s") + before.count("<tr><td>&lt;/script") == 100
    assert "1 to 100 of 250" in before
    assert 'data-first="s249"' in after
    # s24 and s240 to s249.
    assert "1 to 11 of 11" in after


def test_several_graphs_and_modalities(folder: Path) -> None:
    row = {"precision": 0.875, "recall": 0.75, "f1": 0.808}
    metrics = json.loads((folder / "metrics.json").read_text())
    graphs = {"zh - <i>en": metrics, "zh - ja": metrics}
    clusters = {"clusters": 1234, "cycle_consistency": 0.9}
    clusters["pairs"] = {"zh - <i>en": {"matches": row, "clusters": row}}
    several = {"pairs": graphs, "clusters": clusters, "test": metrics["test"]}
    (folder / "metrics.json").write_text(json.dumps(several))
    rows = [(f"s{i}", f"t{i}", 0.5, 0.5) for i in range(2)]
    save_matches(folder, rows, [("zh", "<i>en"), ("zh", "ja")])
    point = {"prediction": 1.5, "log_pairs": 4.61}
    lines = [
        {"epoch": epoch, "seconds": 1.0, "loss": {}, "val": {"mrr": mrr},
         "weights": {HOSTILE: 0.1 * epoch},
         "information": {HOSTILE: {**point, "compression": 100.0 * epoch}}}
        for epoch, mrr in ((2, 0.3), (4, 0.5), (6, 0.4))
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)
    page = write_page(folder).read_text(encoding="utf-8")
    for there in (
        "zh - &lt;i&gt;en Test pairs", "How far to trust it (zh - &lt;i&gt;en)",
        "<option>zh - &lt;i&gt;en</option>", "1,234 clusters", "90.0%", "0.808",
        "0.400 <meter", "400.00", "Information plane",  # Of epoch 4, the best.
    ):  # fmt: skip
        assert there in page, there
    assert "<i>" not in page
    assert HOSTILE not in page


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_graphs_are_chosen_in_a_browser(folder: Path) -> None:
    rows = [(f"s{i}", f"t{i}", 0.5, 0.5) for i in range(60)]
    save_matches(folder, rows, [("zh", "en" if i % 3 else "ja") for i in range(60)])
    page = write_page(folder)
    choose = """<script>
    document.getElementById("graphs").value = "zh - ja";
    document.getElementById("graphs").dispatchEvent(new Event("change"));
    </script>"""
    text = page.read_text(encoding="utf-8").replace("</body>", choose + "</body>")
    (folder / "chosen.html").write_text(text, encoding="utf-8")
    ended = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         (folder / "chosen.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert ended.stdout.count("<td>zh - ja</td>") == 20
    assert "<td>zh - en</td>" not in ended.stdout


def test_the_page_says_what_is_not_calibrated(folder: Path) -> None:
    said = {"confidence": {"calibrated": False, "calibrated_on": 0}}
    (folder / "metrics.json").write_text(json.dumps(said))
    assert "NOT calibrated" in write_page(folder).read_text(encoding="utf-8")
    few = {"confidence": {"calibrated": True, "calibrated_on": 18}}
    (folder / "metrics.json").write_text(json.dumps(few))
    page = write_page(folder).read_text(encoding="utf-8")
    assert "18 validation entities: at most 0.950" in page
