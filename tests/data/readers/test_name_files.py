import json

import pytest
import torch

from pyg_ibmea.data import encode_names, read_features, read_names


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("n.json", json.dumps([[7, ["kim", "dae"]], ["http://x/a", "Seoul"]])),
        ("n.json", json.dumps({"7": "kim dae", "http://x/a": "Seoul"})),
        ("n.tsv", "7\tkim dae\nhttp://x/a\tSeoul\n"),
        ("n.txt", "7\tkim dae\r\nhttp://x/a\tSeoul"),
    ],
)
def test_formats(file, content, tmp_path):
    path = tmp_path / file
    path.write_text(content, newline="")
    assert read_names(path) == [(7, "kim dae"), ("http://x/a", "Seoul")]
    x, mask = read_features(path, torch.tensor([6, 7, 8]), ["u", "v", "http://x/a"])
    assert mask.tolist() == [False, True, True]
    assert x.shape == (3, 1024)
    expected = torch.from_numpy(encode_names(["kim dae", "Seoul"]))
    assert x[1:].equal(expected)


def test_an_entity_with_an_empty_name_has_none(tmp_path):
    path = tmp_path / "n.json"
    path.write_text('[[0, ""], [1, "Seoul"]]')
    _, mask = read_features(path, torch.tensor([0, 1]), ["u", "v"])
    assert mask.tolist() == [False, True]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("n.json", "{", "is not JSON"),
        ("n.json", "3", "must hold an object or a list of pairs"),
        ("n.json", '[[1, "a"], [2]]', r"entry 1: expected an entity id .* got '\[2\]'"),
        ("n.json", '[[true, "a"]]', "entry 0: expected an entity id"),
        ("n.json", "[[1, 2]]", "a text or a list of words"),
        ("n.tsv", "1\ta\nb\n", "line 2: expected an entity id or URI, a tab"),
        ("n.json", "[]", "holds no vector"),
    ],
)
def test_malformed(file, content, message, tmp_path):
    path = tmp_path / file
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_features(path, torch.tensor([1]), ["u"])
