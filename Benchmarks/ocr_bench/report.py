"""The demo's report: four scanned pages in a PDF file, what they say, and how well that was read."""

import subprocess
from functools import cache

from benchkit.models import EXAMPLES

FOLDER = EXAMPLES / "report"
PDF = FOLDER / "medical-report-4pages.pdf"
PAGES = range(1, 5)


def extract_pages(folder):
    """The pages' images as they are in the file, JPEG without another loss."""
    folder.mkdir()
    subprocess.run(["pdfimages", "-j", PDF, folder / "page"], check=True)
    images = sorted(folder.iterdir())
    if len(images) != len(PAGES):
        raise RuntimeError(f"{PDF.name} gave {len(images)} images, not {len(PAGES)}")
    return images


def error_rates(texts):
    """Of each page's text, wrong characters in percent of what is there."""
    if len(texts) != len(PAGES):
        raise RuntimeError(f"the report was read as {len(texts)} pages, not {len(PAGES)}")
    return [error_rate(text, page) for text, page in zip(texts, PAGES)]


@cache
def error_rate(text, page):
    """White space of any kind and length is one space: lines and columns are not characters."""
    truth = " ".join((FOLDER / f"medical-report-page{page}.txt").read_text().split())
    return 100 * distance(" ".join(text.split()), truth) / len(truth)


def distance(one, other):
    """Levenshtein distance."""
    previous = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        current = [row]
        for column, right in enumerate(other, 1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (left != right)))
        previous = current
    return previous[-1]
