import numpy as np
import pytest

numba = pytest.importorskip("numba")

from pyg_ibmea.nn.conv._prefetch import prefetch  # noqa: E402


@numba.njit
def _sum(array, index, ahead):
    total = 0.0
    for e in range(len(index)):
        if e + ahead < len(index):
            prefetch(array, index[e + ahead])
        for c in range(array.shape[1]):
            total += array[index[e], c]
    return total


@pytest.mark.parametrize("channels", [0, 1, 15, 16, 17, 400])
def test_changes_no_result(channels):
    array = np.arange(5.0 * channels).reshape(5, channels)
    index = np.array([4, 0, 0, 3])
    assert _sum(array, index, 2) == array[index].sum()


def test_is_compiled_to_a_hint_and_not_away():
    _sum(np.ones((2, 3)), np.array([1, 0]), 1)
    (assembly,) = _sum.inspect_llvm().values()
    assert "call void @llvm.prefetch" in assembly


def test_never_faults_whatever_the_address():
    array = np.ones((2, 3))

    @numba.njit
    def far(array):
        prefetch(array, 2**40)
        return array.sum()

    assert far(array) == 6
