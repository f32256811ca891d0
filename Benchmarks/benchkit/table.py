"""Runs as a table with medians and spread, and the lines that the table ends with."""

from dataclasses import dataclass
from statistics import median
from typing import Callable


class Figures:
    """Named values, one for each run, and words where there is no value."""

    def __init__(self):
        self.values = {}
        self.words = {}

    def add(self, name, value):
        self.values.setdefault(name, []).append(value)

    def say(self, name, word):
        """What stands in place of a figure that was not measured."""
        self.words[name] = word

    def median(self, name):
        return median(self.values[name]) if name in self.values else None

    def over(self, above, below):
        """The ratio of two medians; nothing when one was not measured."""
        above, below = self.median(above), self.median(below)
        return above / below if above and below else None


@dataclass
class Ratio:
    name: str
    value_of: Callable
    #: What must be reached, if something must; and whether less is better.
    bound: float | None = None
    less: bool = False


def print_table(figures, rows, *lines, **values):
    """Rows are a figure, what it is called, how many digits; `values` are filled into titles. Each of `lines` is a list
    of ratios."""
    print(f"\n{'':48}{'median':>12}{'least':>12}{'most':>12}")
    for name, title, digits in rows:
        measured, word = figures.values.get(name), figures.words.get(name)
        if measured:
            numbers = "".join(f"{value:12,.{digits}f}" for value in (median(measured), min(measured), max(measured)))
            print(f"{title.format(**values):48}{numbers}")
        elif word:
            print(f"{title.format(**values):48}{word:>12}")
    print()
    measured = [ratio for line in lines for ratio in line if ratio.value_of(figures) is not None]
    for ratio in measured:
        value = ratio.value_of(figures)
        print(f"{ratio.name:18}{value:10.2f}{verdict(value, ratio)}")
    if measured:
        print()
    for line in lines:
        print(" ".join(f"{ratio.name}={text(figures, ratio)}" for ratio in line))


def verdict(value, ratio):
    if ratio.bound is None:
        return ""
    reached = value <= ratio.bound if ratio.less else value >= ratio.bound
    return f"   {'at most' if ratio.less else 'at least':8} {ratio.bound:<6} {'reached' if reached else 'NOT REACHED'}"


def text(figures, ratio):
    value = ratio.value_of(figures)
    return figures.words.get(ratio.name, "unmeasured") if value is None else f"{value:.2f}"
