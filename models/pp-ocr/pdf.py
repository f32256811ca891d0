"""Pages of PDF files, through poppler's tools, one page at a time.

A scanned page that is nothing but one image is taken out as it is, without loss; every other page is rendered.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy
from PIL import Image

from millrace import Failure

import limits
import poppler
from images import opened, upright_rgb

#: The resolution at which a page and the one image on it are compared, and how far (of 255) any part may differ.
_COMPARE_DPI, _COMPARE_CELL, _DIFFERENCE_MAX = 40, 4, 24


@dataclass(frozen=True)
class PDFPage:
    path: Path
    filename: str
    number: int
    dpi: int
    scratch: Path

    @property
    def title(self):
        return f"{self.filename}, page {self.number}"

    def image(self, check):
        """The page as an RGB image. Raises ``Failure`` when it is damaged or too large."""
        self.scratch.mkdir(exist_ok=True)
        try:
            return self._scan(check) or self._render(self.dpi, check, self.title)
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _scan(self, check):
        """The only image of the page in its own resolution, if the page looks like it; else None."""
        if not self._is_one_image(check):
            return None
        poppler.call(["pdfimages", "-png", "-j", *self._range(), self.path, self.scratch / "scan"], check)
        files = sorted(self.scratch.glob("scan-*"))
        if len(files) != 1:
            return None
        try:
            with opened(files[0], self.title) as image:
                scan = upright_rgb(image)
        except Failure:
            return None
        return scan if _look_alike(scan, self._render(_COMPARE_DPI, check, self.title)) else None

    def _is_one_image(self, check):
        rows = poppler.call(["pdfimages", "-list", *self._range(), self.path], check).splitlines()[2:]
        if len(rows) != 1:
            return False
        fields = rows[0].split()
        return fields[2] == "image" and int(fields[3]) * int(fields[4]) <= limits.PIXELS_MAX

    def _render(self, dpi, check, title):
        width, height = self._size(check)
        limits.check_pixels(int(width * dpi / 72), int(height * dpi / 72), f"{title} at {dpi} dpi")
        target = self.scratch / f"render-{dpi}"
        poppler.call(["pdftoppm", "-r", str(dpi), "-singlefile", *self._range(), self.path, target], check)
        rendered = target.with_name(target.name + ".ppm")
        if not rendered.is_file():
            raise poppler.damaged(f"{title} cannot be rendered")
        with opened(rendered, title) as image:
            return upright_rgb(image)

    def _size(self, check):
        """Width and height in points (1/72 inch)."""
        text = poppler.call(["pdfinfo", *self._range(), self.path], check)
        match = re.search(r"^Page +\d+ size: +([\d.]+) x ([\d.]+) pts", text, re.MULTILINE)
        if match is None:
            raise poppler.damaged(f"{self.title} has no size")
        return float(match[1]), float(match[2])

    def _range(self):
        return ["-f", str(self.number), "-l", str(self.number)]


def pdf_pages(file, parameters, workdir, check):
    """The pages of a PDF file that were asked for. Raises ``Failure`` when it is encrypted or damaged."""
    text = poppler.call(["pdfinfo", file.path], check)
    match = re.search(r"^Pages: +(\d+)", text, re.MULTILINE)
    if match is None:
        raise poppler.damaged(f"{file.filename} has no page tree")
    numbers = limits.selection(parameters.get("pages"), int(match[1]))
    limits.check_pages(len(numbers), int(match[1]))
    dpi = limits.dpi(parameters)
    return [PDFPage(file.path, file.filename, number, dpi, workdir / "page") for number in numbers]


def _look_alike(scan, rendered):
    """Whether the page shows this image and nothing else: no text or stamp on top, not turned, not cropped."""
    cells = max(1, rendered.width // _COMPARE_CELL), max(1, rendered.height // _COMPARE_CELL)
    shrunk = [numpy.asarray(image.convert("L").resize(cells, Image.BOX), numpy.int16) for image in (scan, rendered)]
    return int(abs(shrunk[0] - shrunk[1]).max()) <= _DIFFERENCE_MAX
