import numpy as np
import pytest
from PIL import Image

from pyg_ibmea.data.features.colours import IMAGE_CHANNELS, encode_image

COLOURS = 432


def save(tmp_path, array, name="image.png", mode=None):
    path = tmp_path / name
    Image.fromarray(np.asarray(array, dtype=np.uint8), mode).save(path)
    return path


def test_colours_are_the_means_of_the_cells(tmp_path):
    random = np.random.default_rng(0)
    cells = random.integers(0, 256, (12, 12, 3))
    x = encode_image(save(tmp_path, cells.repeat(4, 0).repeat(4, 1)))
    assert x.shape == (IMAGE_CHANNELS,)
    assert x.dtype == np.float32
    assert np.linalg.norm(x) == pytest.approx(1, abs=1e-6)
    expected = (cells / 255 - 0.5).ravel()
    expected = expected / np.linalg.norm(expected) / 2**0.5
    assert np.allclose(x[:COLOURS], expected, atol=1e-6)
    # A larger copy of the same picture is the same picture.
    large = save(tmp_path, cells.repeat(20, 0).repeat(20, 1), "large.png")
    assert np.allclose(encode_image(large), x, atol=0.02)


@pytest.mark.parametrize("angle", range(0, 180, 15))
def test_edges_by_direction(angle, tmp_path):
    """A ramp of constant gradient has one direction, everywhere."""
    row, column = np.indices((48, 48)) - 23.5
    turn = np.deg2rad(angle)
    ramp = 128 + 1.8 * (np.cos(turn) * column + np.sin(turn) * row)
    x = encode_image(save(tmp_path, np.round(ramp)[..., None].repeat(3, 2)))
    # Inner cells only; rounding to whole grey levels blurs the direction a little.
    cells = x[COLOURS:].reshape(6, 6, 8)[1:-1, 1:-1].sum((0, 1))
    position = angle / 180 * 8
    expected = np.zeros(8)
    expected[int(position) % 8] += 1 - position % 1
    expected[(int(position) + 1) % 8] += position % 1
    cosine = cells @ expected / np.linalg.norm(cells) / np.linalg.norm(expected)
    assert cosine > 0.97


def test_one_colour_has_no_edges(tmp_path):
    x = encode_image(save(tmp_path, np.full((10, 10, 3), 200)))
    assert not x[COLOURS:].any()
    assert len(set(x[:COLOURS].tolist())) == 1


def test_transparent_is_white_and_the_picture_is_centred(tmp_path):
    clear = np.zeros((30, 30, 4))
    clear[10:20, 10:20] = [255, 0, 0, 255]
    opaque = np.full((30, 30, 3), 255)
    opaque[10:20, 10:20] = [255, 0, 0]
    a = encode_image(save(tmp_path, clear, "a.png"))
    b = encode_image(save(tmp_path, opaque, "b.png"))
    assert np.allclose(a, b, atol=0.02)
    flat = np.full((16, 48, 3), 100)  # White above and below it.
    around = np.full((48, 48, 3), 255)
    around[16:32] = 100
    a = encode_image(save(tmp_path, flat, "flat.png"))
    assert np.allclose(a, encode_image(save(tmp_path, around, "s.png")), atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "I;16", "LA"])
def test_modes(mode, tmp_path):
    grey = np.full((20, 20), 50, dtype=np.uint8)
    image = Image.fromarray(grey)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    path = tmp_path / ("x.tif" if mode in ("CMYK", "I;16") else "x.png")
    image.save(path)
    assert np.isfinite(encode_image(path)).all()


def test_first_picture_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (24, 24), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.png")
    a, b = (encode_image(tmp_path / name) for name in ("a.gif", "b.png"))
    assert np.allclose(a, b, atol=0.02)


def test_bad_files_are_named(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = save(tmp_path, np.random.default_rng(0).integers(0, 256, (40, 40, 3)))
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    for name in ("text.png", "empty.png", "cut.png"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as an image"):
            encode_image(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        encode_image(tmp_path / "none.png")


def test_huge_pictures_are_refused_unread(tmp_path):
    # 40,000 x 40,000 grey pixels of one colour: 200 KB, 1.6 GB when read.
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    with pytest.raises(ValueError, match=r"huge.png cannot be read.*(pixels|bomb)"):
        encode_image(tmp_path / "huge.png")


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_the_camera_says(orientation, kind, tmp_path):
    random = np.random.default_rng(0)
    cells = random.integers(0, 256, (3, 2, 3)).repeat(16, 0).repeat(16, 1)
    upright = encode_image(save(tmp_path, cells, "upright.png"))
    # How a camera that is held so stores the picture: the inverse of turning it.
    stored = {
        1: lambda x: x,
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }[orientation](cells)
    image = Image.fromarray(np.ascontiguousarray(stored).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}
    path = tmp_path / f"x.{kind}"
    image.save(path, exif=exif, **options.get(kind, {}))
    with Image.open(path) as opened:
        assert opened.getexif()[0x0112] == orientation
    assert np.allclose(encode_image(path), upright, atol=0.02)


def test_damaged_exif_is_no_reason_to_lose_a_picture(tmp_path):
    whole = save(tmp_path, np.full((20, 20, 3), 90), "a.png")
    Image.open(whole).save(tmp_path / "b.png", exif=b"Exif\0\0MM\0*\0\0\xff\xff\xff")
    assert np.allclose(encode_image(tmp_path / "b.png"), encode_image(whole), atol=0.02)


@pytest.mark.parametrize(
    "kind", ["EPS", "PPM", "PCX", "TGA", "ICO", "PDF", "SGI", "DDS"]
)
def test_other_formats_are_not_opened_whatever_their_name(kind, tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    def ghostscript(*_):
        raise AssertionError("Ghostscript was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ghostscript)
    path = tmp_path / "x.png"
    Image.new("RGB", (20, 20), "red").save(path, format=kind)
    with pytest.raises(ValueError, match=r"x\.png cannot be read as an image"):
        encode_image(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_formats_are_told_by_content(kind, tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "x.jpeg", format=kind)
    assert encode_image(tmp_path / "x.jpeg")[:COLOURS].any()
