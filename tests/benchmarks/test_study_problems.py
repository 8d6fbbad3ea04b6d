"""The study's problems, the names that they are given, and the losses alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.study.contrastive import contrastive_alone
from benchmarks.study.problems import emoji_problem
from benchmarks.study.results import names_file, names_of
from benchmarks.study.runs import Run
from pyg_ibmea.problem import check_problem


def test_names_are_read_for_the_rows_that_have_them(tmp_path):
    raw, own = tmp_path / "raw", tmp_path / "names.npz"
    usual = raw / "DBP15K" / "zh_en" / "translated_ent_name.json"
    for names, given, expected in [
        (False, own, None),
        (True, own, own),
        (True, None, usual),
    ]:
        run = Run("main", "row", names=names)
        assert names_file(run, raw, given) == expected
    own.write_bytes(b"abc")
    # The digest of "abc" that FIPS 180-2 gives.
    assert names_of(own)["sha256"].startswith("ba7816bf8f01cfea414140de5dae2223")


def test_emoji_problem(tmp_path):
    kinds = ["Symbols"] * 20 + ["Flags"]
    codes = [f"00{i:02}" for i in range(21)]
    table = [
        f"{code}\tx\t{kind}\ty\t1.0\t{code}.png"
        for code, kind in zip(codes, kinds, strict=True)
    ]
    (tmp_path / "emoji.tsv").write_text("\n".join(table) + "\n")
    words = [(codes[0], "sun"), (codes[1], "sun"), (codes[2], "moon")]
    words += [(codes[3], "flag"), (codes[20], "flag")]
    for language in ("zh", "en"):
        lines = [f"{code}\t{word}" for code, word in words]
        (tmp_path / f"keywords_{language}.tsv").write_text("\n".join(lines) + "\n")
    random = np.random.default_rng(0)
    for vendor in ("google", "twitter"):
        (tmp_path / f"img_{vendor}").mkdir()
        for code in codes:
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"img_{vendor}" / f"{code}.png")
    data = emoji_problem(tmp_path, 0.5)
    check_problem(data)
    # "moon" is used once; of the two uses of "flag" one is by a flag.
    assert data.uri["zh"] == [*codes[:20], "sun"]
    assert data["zh", "rel", "zh"].edge_index.tolist() == [[0, 1], [20, 20]]
    assert data["en"].mask_image.tolist() == [True] * 20 + [False]
    assert not data["en"].x_image[20].any()
    assert data["en"].x_image[:20].norm(dim=1).allclose(torch.ones(20))
    links = data["zh", "same_as", "en"]
    assert links.edge_index.tolist() == [list(range(20))] * 2
    assert int(links.test_mask.sum()) == 10


@pytest.mark.parametrize(
    "row", ["InfoNCE", "multi-similarity", "canonical correlation"]
)
def test_losses_alone_find_what_there_is(row):
    clear, step = contrastive_alone(row, 0.1, 0, steps=60)
    assert clear["csls"]["mean"]["hits@1"] > 0.9
    assert step % 10 == 0
    noise, _ = contrastive_alone(row, 5.0, 0, steps=20)
    assert noise["csls"]["mean"]["hits@1"] < 0.05
