"""A rival is measured at its best: a short trial chooses among its settings."""

import math
import time

from .bench import Bench


def seconds_of(action):
    """How long it took, and what it gave."""
    start = time.perf_counter()
    answer = action()
    return time.perf_counter() - start, answer


def best(what, candidates, seconds, rounds=2):
    """The candidate for which `seconds(candidate)` is least, of a few rounds."""
    took = {}
    for candidate in [*candidates] * rounds:
        took[candidate] = min(seconds(candidate), took.get(candidate, math.inf))
    chosen = min(took, key=took.get)
    tried = ", ".join(f"{candidate}: {value:.2f} s" for candidate, value in took.items())
    Bench.say(f"{what}: {chosen} is fastest ({tried})")
    return chosen
