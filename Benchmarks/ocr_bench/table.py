"""The rows of the table, and the figures that it ends with."""

from benchkit.table import Ratio, print_table

from .report import PAGES

#: Who reads, and what it is called.
READERS = [("rapidocr", "rapidocr"), ("process", "Millrace in process"), ("system", "Millrace, server")]

#: Figure, what it is called in the table, how many digits.
ROWS = [
    ("rapidocr", "rapidocr, pages/s", 3),
    ("process", "Millrace in one process, pages/s", 3),
    ("system", "Millrace, a server under load, pages/s", 3),
    ("pages_differing", "pages under load that read otherwise", 0),
    *((f"{who}_{page}", f"page {page}, {title}, wrong characters, %", 2) for page in PAGES for who, title in READERS),
]

RATIOS = [
    Ratio("rapidocr_ratio", lambda f: f.over("process", "rapidocr")),
    Ratio("cer_difference", lambda f: f.median("cer_difference"), less=True),
    Ratio("system_ratio", lambda f: f.over("system", "process")),
]


def print_ocr_table(figures):
    print_table(figures, ROWS, RATIOS)
