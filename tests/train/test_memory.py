import numpy as np

from pyg_ibmea.train import peak_rss_mib


def test_peak_grows_by_what_is_touched():
    before = peak_rss_mib()
    block = np.ones(64 * 2**20, dtype=np.uint8)
    grown = peak_rss_mib() - before
    # Memory freed before may be used again, so the peak grows by at most the block.
    assert 0 <= grown < 80
    assert peak_rss_mib() > block.nbytes / 2**20
