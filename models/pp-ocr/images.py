"""Pages that are images: PNG, JPEG, WebP, and TIFF with one or more pages."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy
from PIL import Image, ImageOps, UnidentifiedImageError

from millrace import Failure

import limits

_DAMAGED_HINT = "Open it in a viewer and save it again, then send that file."

#: Pillow raises these (and, for broken files, whatever its plugins come across).
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, OverflowError)


@dataclass(frozen=True)
class ImagePage:
    path: Path
    filename: str
    number: int
    title: str

    def image(self, check):
        """The page as an RGB image, upright. Raises ``Failure`` when it is damaged."""
        check()
        with opened(self.path, self.filename) as image:
            image.seek(self.number - 1)
            limits.check_pixels(*image.size, self.title)
            return upright_rgb(image)


def image_pages(file, parameters, workdir, check):
    """The pages of an image file that were asked for; only headers are read here."""
    check()
    with opened(file.path, file.filename) as image:
        total = _count_pages(image, file.filename)
    numbers = limits.selection(parameters.get("pages"), total)
    limits.check_pages(len(numbers), total)
    titles = {number: f"{file.filename}, page {number}" if total > 1 else file.filename for number in numbers}
    return [ImagePage(file.path, file.filename, number, titles[number]) for number in numbers]


@contextlib.contextmanager
def opened(path, title):
    """An image file, with Pillow's many errors as one ``Failure``."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "TIFF", "WEBP", "PPM")) as image:
            yield image
    except UnidentifiedImageError:
        raise Failure("image_damaged", f"{title} has no readable header", hint=_DAMAGED_HINT) from None
    except _DECODER_ERRORS as error:
        raise Failure("image_damaged", f"{title} cannot be decoded: {error}", hint=_DAMAGED_HINT) from None


def upright_rgb(image):
    """8-bit RGB on white, turned as its EXIF orientation says."""
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, "white")
        image.alpha_composite(layer)
    return image.convert("RGB")


def _count_pages(image, title):
    """How many pages a file has: more than one in TIFF alone. Walks headers, and no further than the limit."""
    limits.check_pixels(*image.size, title)
    if image.format != "TIFF":
        return 1
    count = 1
    with contextlib.suppress(EOFError):
        while count <= limits.PAGES_MAX:
            image.seek(count)
            limits.check_pixels(*image.size, f"{title}, page {count + 1}")
            count += 1
    return count


def _eight_bit(image):
    """Deeper gray images by their own range: Pillow would clip them to white."""
    values = numpy.asarray(image, dtype=numpy.float32)
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(((values - low) * (255 / max(high - low, 1e-9))).astype(numpy.uint8))
