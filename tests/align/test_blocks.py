import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pyg_ibmea.align import sinkhorn
from pyg_ibmea.align._blocks import cosine_blocks, unit_sides


@pytest.mark.parametrize("scale", [1e-36, 1e-20, 1.0, 1e20, 1e36])
def test_rows_have_unit_length_at_any_scale(scale):
    z = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    unit, _ = unit_sides(z * scale, z)
    expected = z.double() / z.double().norm(dim=1, keepdim=True)
    torch.testing.assert_close(unit.double(), expected, atol=1e-6, rtol=0)


def test_zero_rows_stay_zero():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    unit, _ = unit_sides(z, z)
    torch.testing.assert_close(unit, torch.tensor([[0.0, 0.0], [0.6, 0.8]]))


@pytest.mark.parametrize(
    ("source", "target", "common"),
    [
        (torch.half, torch.half, torch.float),
        (torch.bfloat16, torch.float, torch.float),
        (torch.float, torch.double, torch.double),
    ],
)
def test_both_sides_take_the_wider_type(source, target, common):
    unit = unit_sides(torch.ones(2, 3, dtype=source), torch.ones(2, 3, dtype=target))
    assert [side.dtype for side in unit] == [common, common]


@pytest.mark.parametrize("block_size", [None, 1, 3, 4, 11, 100])
def test_blocks_cover_all_rows_once_and_are_even(block_size):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(11, 4, dtype=torch.double, generator=generator)
    source, target = unit_sides(z, z[:6])
    # The next block overwrites the last.
    blocks = [(r, c.clone()) for r, c in cosine_blocks(source, target, block_size)]
    sizes = [rows.stop - rows.start for rows, _ in blocks]
    assert sum(sizes) == 11
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= (block_size or 11)
    cosine = torch.cat([cosine for _, cosine in blocks])
    torch.testing.assert_close(cosine, source @ target.t())


def test_default_block_stays_near_64_mib():
    source, target = unit_sides(torch.ones(900, 1), torch.ones(40_000, 1))
    sizes = [c.numel() * 4 / 2**20 for _, c in cosine_blocks(source, target)]
    assert len(sizes) == 3
    assert max(sizes) <= 64


def test_autocast_does_not_round_the_cosines():
    generator = torch.Generator().manual_seed(0)
    source, target = unit_sides(*torch.randn(2, 20, 30, generator=generator))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, cosine = next(cosine_blocks(source, target))
    assert cosine.dtype == torch.float
    torch.testing.assert_close(cosine, source @ target.t())


def _matrix(*shape, fill=1.0):
    return torch.full(shape, fill)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (_matrix(3), _matrix(2, 3), r"z_source must be a matrix .* \[3\]"),
        (_matrix(2, 3), _matrix(2, 4), r"\[2, 3\] and z_target \[2, 4\]"),
        (_matrix(0, 3), _matrix(2, 3), r"z_source is empty, got shape \[0, 3\]"),
        (_matrix(2, 3), _matrix(0, 3), r"z_target is empty, got shape \[0, 3\]"),
        (_matrix(2, 0), _matrix(2, 0), r"z_source is empty, got shape \[2, 0\]"),
        (_matrix(2, 3).long(), _matrix(2, 3), "z_source must be floating point"),
        (_matrix(2, 3), _matrix(2, 3).to(torch.cfloat), "z_target must be floating"),
        (_matrix(2, 3), _matrix(2, 3, fill=torch.inf), "z_target holds .* row 0"),
    ],
)
def test_unfit_embeddings_are_refused(source, target, message):
    with pytest.raises(ValueError, match=message):
        unit_sides(source, target)


def test_the_first_row_with_nan_is_named():
    z = torch.ones(5, 2)
    z[3, 1] = z[4, 0] = torch.nan
    with pytest.raises(ValueError, match=r"z_source .* in 2 of 5 rows, first in row 3"):
        unit_sides(z, torch.ones(5, 2))


def test_a_block_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="block_size must be at least 1, got 0"):
        next(cosine_blocks(torch.ones(1, 1), torch.ones(1, 1), block_size=0))


@pytest.mark.parametrize("channels", [1, 3, 700, 5000])
def test_unit_rows_are_not_copied(channels):
    z = torch.randn(50, channels, generator=torch.Generator().manual_seed(0))
    z[7] = 0  # Stays as it is, too.
    once, _ = unit_sides(z, z)
    twice, again = unit_sides(once, once)
    assert once.data_ptr() != z.data_ptr()
    assert twice.data_ptr() == again.data_ptr() == once.data_ptr()


@pytest.mark.parametrize("length", [1 - 1e-5, 1 + 1e-5])
def test_rows_that_are_almost_of_unit_length_are_scaled(length):
    z = torch.tensor([[1.0, 0.0], [0.0, length]])
    unit, _ = unit_sides(z, z)
    assert unit[1].tolist() == [0.0, 1.0]


class _Precisions(TorchDispatchMode):
    """What float32 matrices are multiplied in."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._opname in ("mm", "mv"):
            self.found.append(torch.backends.cuda.matmul.fp32_precision)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def restored():
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("way", ["both", "CUDA alone"])
def test_search_and_scaling_do_without_tensor_float_32(way, restored):
    if way == "both":
        torch.set_float32_matmul_precision("high")
    else:
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    z = torch.randn(6, 3)
    with _Precisions() as precisions:
        list(cosine_blocks(*unit_sides(z, z)))
        sinkhorn(z, z.flip(0), num_iters=2, tolerance=0)
    # A block, another of the kernel, and five sums over it.
    assert precisions.found == ["ieee"] * 7
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
