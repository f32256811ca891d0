"""What a job may ask of this model."""

import os

from PIL import Image

from millrace import Failure

PAGES_MAX = int(os.environ.get("MILLRACE_PAGES_MAX", "200"))
PIXELS_MAX = int(os.environ.get("MILLRACE_PIXELS_MAX", "100000000"))
DPI_DEFAULT, DPI_MIN, DPI_MAX = 150, 72, 600

#: For one call of a poppler tool, which never handles more than one page.
TOOL_SECONDS_MAX = 120
#: Of memory, and of each file it writes: a small document can hold an enormous image.
TOOL_BYTES_MAX = 2 << 30


def prepare_decoders():
    """Registers every decoder, for `Image.open` to choose from those it is told. Pillow's own limit gives way to ours,
    which is checked from the header before anything is decoded."""
    Image.init()
    Image.MAX_IMAGE_PIXELS = None


def check_pixels(width, height, what):
    if width * height > PIXELS_MAX:
        raise Failure(
            "image_too_large",
            f"{what} has {width} x {height} pixels, over the limit of {PIXELS_MAX:,}",
            hint="Scale it down (A4 at 150 dpi has 2 million pixels), or ask for a lower dpi.",
        )


def check_pages(count, total):
    """``count`` of a document's ``total`` pages are to be read."""
    if total == 0:
        raise Failure("empty_document", "the document has no pages", hint="Send a document with at least one page.")
    if count > PAGES_MAX:
        raise Failure(
            "pages_over_limit",
            f"{count} pages are over the limit of {PAGES_MAX} for one job",
            hint=f'Send several jobs, each with the parameter pages, for example "1-{PAGES_MAX}".',
        )


def dpi(parameters):
    value = parameters.get("dpi", DPI_DEFAULT)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not DPI_MIN <= value <= DPI_MAX:
        raise Failure("dpi_invalid", f"dpi is {value!r}", hint=f"It is a number from {DPI_MIN} to {DPI_MAX}.")
    return int(value)


def selection(text, total):
    """The page numbers that a text like ``1-3,5`` (or None: all) names, in the document's order."""
    if not text:
        return range(1, total + 1)
    chosen = set()
    for part in str(text).split(","):
        first, last = _range(part, text)
        if last > total:
            raise Failure(
                "page_out_of_range", f"page {last} was asked for, but there are {total}", hint=f"Use 1-{total}."
            )
        chosen.update(range(first, last + 1))
    return sorted(chosen)


def _range(part, text):
    first, dash, last = part.strip().partition("-")
    try:
        bounds = int(first), int(last if dash else first)
    except ValueError:
        bounds = 0, 0
    if not 1 <= bounds[0] <= bounds[1]:
        raise Failure("pages_invalid", f"pages is {text!r}", hint='Write page numbers and ranges, like "1-3,5".')
    return bounds
