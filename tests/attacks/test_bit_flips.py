"""A flipped bit in what is written gives the same results, or is told."""

import random
import shutil
import time
import warnings

import pytest
import torch
from attacked_runs import finish, results, start, start_call, train_words

from pyg_ibmea.datasets import MMKGPair

pytestmark = pytest.mark.attack
FLIPS = 50  # Of each file.
TOLD_AS_DAMAGED = "checkpoint.pt is not a checkpoint of this program, or is damaged"


def flip(path, draw):
    """Flips a bit, half of the time in the first or last kilobyte: the headers."""
    content = bytearray(path.read_bytes())
    size = 8 * len(content)
    place = draw.randrange(size)
    if draw.random() < 0.5:
        place = draw.choice([place % 8192, size - 1 - place % 8192])
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)
    return place


def test_flips_in_a_checkpoint(graph_files, tmp_path):
    draw, kind = random.Random(0), "pseudo-seeds"
    whole, half, out = (tmp_path / name for name in ("whole", "half", "run"))
    told = tmp_path / "told.txt"
    assert finish(train_words(graph_files, kind, whole), told)[0] == 0
    expected = results(whole)
    process = start(train_words(graph_files, kind, half), told)
    both = [half / "checkpoint.previous.pt", half / "checkpoint.pt"]
    while not all(path.exists() for path in both):
        time.sleep(0.002)
    process.kill()
    process.join()
    assert not (half / "metrics.json").exists()

    words = [*train_words(graph_files, kind, out), "--resume"]
    refused = 0
    for number in range(FLIPS):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(half, out)
        (out / "run.lock").unlink(missing_ok=True)
        place = flip(out / "checkpoint.pt", draw)
        told.write_text("")
        code, _ = finish(words, told)
        text = told.read_text()
        assert code in (0, 1), (place, code, text)
        assert "Traceback" not in text
        if code == 1:
            refused += 1
            assert TOLD_AS_DAMAGED in text
            assert "goes on from checkpoint.previous.pt, of epoch" in text
            if number % 10:
                continue
            (out / "checkpoint.pt").unlink()  # As it is told to do.
            assert finish(words, told)[0] == 0, told.read_text()
        assert results(out) == expected, place
    assert refused > FLIPS / 2


def write_raw(folder, size=30):
    """Two small graphs in JAPE's layout."""
    draw = random.Random(0)
    folder.mkdir()
    for side, first in ((1, 0), (2, size)):
        ids = range(first, first + size)
        lines = {
            "ent_ids": [f"{i}\thttp://{side}/{i}" for i in ids],
            "rel_ids": [f"{side}\thttp://in"],
            "triples": [f"{i}\t{side}\t{draw.choice(ids)}" for i in ids],
            "training_attrs": [f"http://{side}/{i}\thttp://born" for i in ids],
        }
        for name, content in lines.items():
            (folder / f"{name}_{side}").write_text("\n".join(content))
    links = [f"{i}\t{i + size}" for i in range(size)]
    (folder / "ill_ent_ids").write_text("\n".join(links))
    return folder


def read_pair(root, raw, told):
    """In a process of its own, as what is damaged could end it."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        data = MMKGPair(root, raw)[0]
    found = {"notes": [str(note.message) for note in notes], "data": data.to_dict()}
    torch.save(found, told)


def test_flips_in_a_processed_cache(tmp_path):
    draw = random.Random(0)
    root, raw, told = tmp_path / "root", write_raw(tmp_path / "raw"), tmp_path / "told"

    def read():
        process = start_call(read_pair, root, raw, told)
        process.join()
        assert process.exitcode == 0
        return torch.load(told, weights_only=True)

    expected = read()["data"]
    (cache,) = [p for p in (root / "processed").iterdir() if len(p.name) > 20]
    whole = cache.read_bytes()
    made_again = 0
    for _ in range(FLIPS):
        cache.write_bytes(whole)
        place = flip(cache, draw)
        found = read()
        made_again += any("; it is made again" in note for note in found["notes"])
        assert_same(found["data"], expected, place)
    assert made_again == FLIPS


def assert_same(found, expected, place):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), place
        for key, value in expected.items():
            assert_same(found[key], value, place)
    elif isinstance(expected, torch.Tensor):
        assert found.to_dense().equal(expected.to_dense()), place
    else:
        assert found == expected, place
