"""One image as numbers: decoded by Pillow, turned upright, without transparency, of one size.

Formats are those of a fixed list, whatever else Pillow knows: some of its plugins run programs. A
header is looked at before anything is allocated.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from nacre.contract import Array
from nacre.errors import BadInput, MissingExtra, NacreError
from nacre.source.terms import ImageMode

WHAT = "image"
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
MOST_PIXELS = 89_478_485  # Pillow's own limit, whatever it is set to: 256 MiB of three bytes each
MOST_BYTES = 1 << 30  # of a file
FULL_16 = np.float32(257)  # 65,535 / 257 = 255
ORIENTATION = 0x0112  # of EXIF; from 5 on height and width are exchanged
_GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
_RANGELESS = ("I", "F")  # what is black and white in them is not said


class Unread(Exception):
    """Why bytes are no image that can be read; never leaves this folder."""


@dataclass(frozen=True)
class Form:
    """What all images are brought to.

    Attributes:
        height, width: in pixels.
        mode: "L", one number for a pixel, or "RGB", three.
        any_size, any_mode: whether others are brought to it; else they are errors.
        like: where it comes from, for messages.
    """

    height: int
    width: int
    mode: ImageMode
    any_size: bool
    any_mode: bool
    like: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, numbers of a pixel)."""
        return self.height, self.width, 1 if self.mode == "L" else 3

    @property
    def n_columns(self) -> int:
        """Numbers of an image."""
        height, width, n = self.shape
        return height * width * n

    @property
    def said(self) -> str:
        """For messages."""
        return said(self.height, self.width, self.mode)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, row by row from above: y0x0, y0x1, ...; of colours y0x0r, y0x0g, y0x0b.

        >>> Form(1, 2, "L", False, False, "").names, Form(1, 1, "RGB", False, False, "").names
        (('y0x0', 'y0x1'), ('y0x0r', 'y0x0g', 'y0x0b'))
        """
        colours = ("",) if self.mode == "L" else ("r", "g", "b")
        places = ((y, x) for y in range(self.height) for x in range(self.width))
        return tuple(f"y{y}x{x}{colour}" for y, x in places for colour in colours)


def said(height: int, width: int, mode: str) -> str:
    """A size for messages."""
    return f"{height} x {width} pixels, {'grey' if mode == 'L' else 'in colour'}"


def looked_at(data: bytes) -> tuple[int, int, ImageMode]:
    """(height, width, mode) of an image, upright.

    Raises:
        Unread: it is none.
        MissingExtra: Pillow is not installed.
    """
    found = _upright(_begun(data))
    return found.height, found.width, _mode(found)


def pixels_in(data: bytes) -> int:
    """Number of pixels, as the header says.

    Raises:
        Unread, MissingExtra: as looked_at.
    """
    found = _begun(data)
    return int(found.width * found.height)


def pixels(data: bytes, form: Form, where: str) -> Array:
    """The numbers of an image (n_columns,) uint8, or float32 where it has 16 bits; 0 to 255.

    Raises:
        Unread: it is none.
        BadInput: of another size or mode than the form takes.
        MissingExtra: Pillow is not installed.
    """
    image = _begun(data)
    if form.any_size:
        _draft(image, form)
    image = _upright(image)
    _check(image, form, where)
    try:
        return _numbers(image, form).reshape(-1)
    except Exception as error:
        raise _unread(error) from None


def _begun(data: bytes) -> Any:
    """An image of which the header was read."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtra(
            got="images, but no pillow", wanted="pillow", do="pip install 'nacre[image]'"
        ) from None
    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except bombs as error:
        raise Unread(f"a decompression bomb: {error}") from None
    except UnidentifiedImageError:
        raise Unread(f"none of {', '.join(FORMATS)}") from None
    except Exception as error:
        raise _unread(error) from None
    if image.width * image.height > MOST_PIXELS:
        size = f"{image.width:,} x {image.height:,} pixels, at most {MOST_PIXELS:,} are read"
        raise Unread(f"a decompression bomb: {size}")
    return image


def _unread(error: Exception) -> Exception:
    """What Pillow raises for damage: almost anything."""
    if isinstance(error, NacreError | MemoryError):
        return error
    return Unread(f"{type(error).__name__}: {error}".partition("\n")[0])


def _draft(image: Any, form: Form) -> None:
    """Have a large JPEG decoded at 1/2, 1/4 or 1/8 of its size, where that is enough."""
    if image.format not in ("JPEG", "MPO"):
        return
    try:
        turned = image.getexif().get(ORIENTATION, 1) >= 5
    except Exception as error:
        raise _unread(error) from None
    image.draft(None, (form.height, form.width) if turned else (form.width, form.height))


def _upright(image: Any) -> Any:
    """It decoded, and turned as EXIF says."""
    from PIL import ImageOps

    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:
        raise _unread(error) from None
    if image.mode in _RANGELESS:
        raise Unread(f"numbers without a range, in Pillow's mode {image.mode}")
    return image


def _mode(image: Any) -> ImageMode:
    if image.mode == "P":  # as a GIF of greys is
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return "L" if (palette == palette[:, :1]).all() else "RGB"
    return "L" if image.mode in _GREY else "RGB"


def _check(image: Any, form: Form, where: str) -> None:
    mode = _mode(image)
    if not form.any_size and (image.height, image.width) != (form.height, form.width):
        size = f"({form.height}, {form.width})"
        do = f"Say what size all are brought to: nacre.read(data, image_size={size})."
    elif not form.any_mode and mode == "RGB" and form.mode == "L":
        do = 'Say what all are: nacre.read(data, image_mode="RGB"), or "L", which drops colours.'
    else:
        return
    raise BadInput(
        got=said(image.height, image.width, mode),
        wanted=f"{form.said}, as {form.like}",
        do=do,
        where=where,
    )


def _numbers(image: Any, form: Form) -> Array:
    from PIL import Image

    size, wide = (form.width, form.height), image.mode.startswith("I;16")
    if wide:
        image = image.convert("F")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert(form.mode)
    elif image.mode != form.mode:
        image = image.convert(form.mode)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BOX)
    found = np.asarray(image)
    if not wide:
        return found
    found = found / FULL_16
    return found if form.mode == "L" else np.repeat(found[:, :, None], 3, axis=2)
