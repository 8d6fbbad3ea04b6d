"""A row of the page that is opened says why."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pyg_ibmea.align import Alignment, Contribution, Explanation
from pyg_ibmea.report import write_page
from pyg_ibmea.report._page_evidence import evidence_of

HOSTILE = "</script><img src=x onerror=alert(1)>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def explained(number: int, fact: str) -> Explanation:
    terms = (
        Contribution("graph", 0.5, "2 x similarity 0.50 x weight 0.50"),
        Contribution("attribute", 0.25, "similarity 0.9 x weight 0.3; both have born"),
        Contribution("neighbourhood", 0.125, fact, "fact"),
        Contribution("hubness", -0.375, "near to all", "decoder"),
    )
    return Explanation(f"s{number}", f"t{number}", "zh", "en", 0.5, terms)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    numbers = list(range(3))
    Alignment(
        [("zh", "en")],
        {"zh": ["s0", "s1", "s2"], "en": ["t0", "t1", "t2"]},
        source=numbers, target=numbers, runner_up=[-1] * 3, score=[0.5, 0.5, 0.25],
        margin=[0.0] * 3, confidence=[0.9, 0.8, 0.7], pair=[0] * 3,
    ).save(tmp_path / "alignment.tsv")  # fmt: skip
    return tmp_path


def test_contributions_are_kept_and_texts_shared(folder: Path) -> None:
    told = evidence_of([explained(0, HOSTILE), explained(1, HOSTILE), None])
    texts, rows = told["texts"], told["rows"]
    assert len(set(texts)) == len(texts)
    named = [[(texts[n], v, texts[t]) for n, v, t in row] for row in rows]
    assert named[0] == named[1] == [
        ("graph", 0.5, ""), ("attribute", 0.25, "both have born"),
        ("neighbourhood", 0.125, HOSTILE), ("hubness", -0.375, "near to all"),
    ]  # fmt: skip
    assert named[2] == []
    page = write_page(folder, (), [explained(0, HOSTILE)]).read_text(encoding="utf-8")
    assert "<img src=x" not in page
    found = re.search(r'id="evidence">(.*?)</script>', page, re.S)
    assert found is not None
    assert json.loads(found.group(1))["rows"] == rows[:1]


def test_a_page_without_evidence_has_no_button(folder: Path) -> None:
    page = write_page(folder).read_text(encoding="utf-8")
    assert 'id="evidence"' not in page
    assert "<th>evidence</th>" not in page
    with pytest.raises(ValueError, match="4 explanations are of other matches than"):
        write_page(folder, (), [None] * 4)


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_rows_are_opened_and_closed_in_a_browser(folder: Path) -> None:
    told = [explained(0, HOSTILE), explained(1, "both in: A")]
    page = write_page(folder, (), told)
    clicks = """<script>
    const found = document.querySelectorAll("#rows button");
    document.body.dataset.before = document.querySelectorAll(".why").length;
    for (const i of [0, 1, 2, 0]) found[i].click();
    </script>"""
    text = page.read_text(encoding="utf-8").replace("</body>", clicks + "</body>")
    (folder / "clicked.html").write_text(text, encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
               "--dump-dom", (folder / "clicked.html").as_uri()]  # fmt: skip
    dom = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    assert 'data-before="0"' in dom
    assert dom.count('<tr class="why">') == 2  # The first was closed again.
    assert dom.count('aria-expanded="true"') == 2
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", dom[dom.index('class="why"') :])
    assert cells[:3] == ["graph", "+0.500", ""]
    assert "both in: A" in cells
    assert "-0.375" in cells
    assert cells[cells.index("score") + 1] == "0.500"
    assert HOSTILE not in dom
    assert "Not in this page: pyg-ibmea explain RUN SOURCE says why." in dom
