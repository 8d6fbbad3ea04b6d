import builtins
import json

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from pyg_ibmea.data import read_features
from pyg_ibmea.data.names import encode_names, read_names

NAMES = ["Kim Dae-jung", "Kim Jong-il", "Seoul National University", "Seoul", "Abba"]


def test_products_estimate_cosines_of_exact_counts():
    x = encode_names(NAMES)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, rtol=1e-6)
    exact = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit_transform(
        [name.casefold() for name in NAMES]
    )
    expected = (exact @ exact.T).toarray()
    # Hashing to 1,024 signed channels errs by about 1 / 32.
    np.testing.assert_allclose(x @ x.T, expected, atol=0.1)


def test_spelling_that_makes_no_difference():
    a, b, empty = encode_names(
        ["Gary_Rydstrom", "\uff47\uff41\uff52\uff59 rydstrom", ""]
    )
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert not empty.any()


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
        ("n.json", "{", "is no JSON"),
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


def test_without_scikit_learn(monkeypatch):
    true_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return true_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install pyg_ibmea\[text\]"):
        encode_names(["a"])
