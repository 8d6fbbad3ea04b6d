import math

import pytest

from pyg_ibmea.train._schedule import warmup_cosine


def test_rise_then_constant():
    factor = warmup_cosine(4, 0)
    assert [factor(e) for e in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert warmup_cosine(0, 0)(0) == 1.0


def test_half_a_cosine_down_to_zero():
    factor = warmup_cosine(0, 10)
    assert factor(0) == 1.0
    assert factor(5) == pytest.approx(0.5)
    assert factor(3) == pytest.approx((1 + math.cos(0.3 * math.pi)) / 2)
    assert factor(10) == factor(15) == pytest.approx(0.0)


def test_both():
    assert warmup_cosine(2, 10)(0) == pytest.approx(0.5)
    assert warmup_cosine(2, 10)(5) == pytest.approx(0.5)
