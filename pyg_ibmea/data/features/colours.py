"""Images as vectors without a neural network: colours and edges on a grid."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyg_ibmea.data._boundary import open_regular, reading

_COLOUR_CELLS = 12
_EDGE_CELLS = 6
_CELL_PIXELS = 8
_ORIENTATIONS = 8
# By content, whatever the name says. Pillow knows others, some of which it gives to
# programs such as Ghostscript.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
# A larger picture is refused before any of its pixels are read.
_MOST_PIXELS = 100_000_000
# https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf, 4.6.4
_ORIENTATION = 0x0112

IMAGE_CHANNELS = 3 * _COLOUR_CELLS**2 + _ORIENTATIONS * _EDGE_CELLS**2
"""Channels of the vector of an image."""


def encode_image(file: str | PathLike[str]) -> NDArray[np.float32]:
    """Describes an image by colours on a grid and by directions of edges.

    The image is put on a white square. The first part of the vector holds the mean
    colours of 12 x 12 cells, the second histograms of the gradient's direction (8 bins
    without sign, weighted by its size) in 6 x 6 cells, as in "Histograms of Oriented
    Gradients for Human Detection" (Dalal and Triggs, CVPR 2005). It needs no network
    and no training, and tells logos, flags, icons and maps apart better than
    photographs.

    Args:
        file (str or Path): PNG, JPEG, GIF, WebP, BMP or TIFF, by content; of an
            animation, the first frame. It is turned as its EXIF data say.

    Returns:
        Unit vector ``[720]``; its first 432 channels are the colours.

    Raises:
        ImportError: If Pillow is not installed.
        ValueError: If the file is not an image, is damaged, or has over 100 million
            pixels.
        FileNotFoundError: If there is no such file.
    """
    pixels = read_square(file, _EDGE_CELLS * _CELL_PIXELS)
    step = len(pixels) // _COLOUR_CELLS
    shape = (_COLOUR_CELLS, step, _COLOUR_CELLS, step, 3)
    colours = pixels.reshape(shape).mean(axis=(1, 3)) - 0.5
    grey = pixels.mean(axis=2)
    return np.concatenate(
        [_unit(colours.ravel()) * 0.5**0.5, _unit(_edges(grey)) * 0.5**0.5]
    ).astype(np.float32)


def read_square(file: str | PathLike[str], side: int) -> NDArray[np.float64]:
    """The image on a white square, colours from 0 to 1, ``[side, side, 3]``."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            'images need Pillow: pip install "pyg_ibmea[image]"'
        ) from error
    with (
        reading(file, "cannot be read as an image"),
        open_regular(file) as content,
        Image.open(content, formats=FORMATS) as image,
    ):
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(
                f"{image.width} x {image.height} pixels are more than "
                f"{_MOST_PIXELS:,}; scale it down"
            )
        image.draft("RGB", (side, side))
        picture = _upright(image, image.convert("RGBA"))
    longest = max(picture.size)
    size = [max(1, round(side * length / longest)) for length in picture.size]
    picture = picture.resize((size[0], size[1]), Image.Resampling.BOX)
    square = Image.new("RGBA", (side, side), "white")
    place = ((side - size[0]) // 2, (side - size[1]) // 2)
    square.alpha_composite(picture, place)
    pixels: NDArray[Any] = np.asarray(square.convert("RGB"), dtype=np.float64)
    return pixels / 255


def _upright(image: Any, picture: Any) -> Any:
    """The picture with the side up that the camera says is up."""
    from PIL import Image

    try:
        # Of a TIFF, Pillow has done so, and taken the tag away.
        turn = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # Damaged EXIF data; the pixels are good.
        turn = 1
    how = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(turn)
    return picture if how is None else picture.transpose(how)


def _edges(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Histograms of gradient directions by cell, each of length at most 1."""
    down, right = np.gradient(grey)
    size = np.hypot(down, right)
    turn = (np.arctan2(down, right) / np.pi) % 1.0 * _ORIENTATIONS
    low = np.floor(turn).astype(int) % _ORIENTATIONS
    share = turn - np.floor(turn)
    row, column = np.indices(grey.shape) // _CELL_PIXELS
    cell = (row * _EDGE_CELLS + column) * _ORIENTATIONS
    histogram = np.zeros(_EDGE_CELLS**2 * _ORIENTATIONS)
    # A gradient between two bins counts for both.
    np.add.at(histogram, cell + low, size * (1 - share))
    np.add.at(histogram, cell + (low + 1) % _ORIENTATIONS, size * share)
    cells = histogram.reshape(-1, _ORIENTATIONS)
    length = np.sqrt((cells**2).sum(axis=1, keepdims=True) + 0.01)
    blocks: NDArray[np.float64] = (cells / length).ravel()
    return blocks


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(x))
    return x / length if length > 0 else x
