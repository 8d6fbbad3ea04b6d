import builtins

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from pyg_ibmea.data import encode_names
from pyg_ibmea.data.features import names

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


def test_many_names_some_at_a_time(monkeypatch):
    many = [f"{name} {number % 7}" for number in range(50) for name in NAMES] + [""]
    expected = encode_names(many)
    monkeypatch.setattr(names, "_MANY", 250)
    monkeypatch.setattr(names, "_AT_A_TIME", 60)
    found = encode_names(many)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert not found[-1].any()


def test_without_scikit_learn(monkeypatch):
    true_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return true_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r'pip install "pyg_ibmea\[text\]"'):
        encode_names(["a"])
