"""Runs as a table with medians and spread, and the line that the table ends with."""

from statistics import median


class Figures:
    """Named values, one for each run."""

    def __init__(self):
        self.values = {}

    def add(self, name, value):
        self.values.setdefault(name, []).append(value)

    def median(self, name):
        return median(self.values[name]) if name in self.values else None

    def over(self, above, below):
        """The ratio of two medians; nothing when one was not measured."""
        above, below = self.median(above), self.median(below)
        return above / below if above and below else None


#: Figure, what it is called in the table, how many digits.
ROWS = [
    ("celery", "Celery + Redis, end to end, jobs/s", 0),
    ("dramatiq", "Dramatiq + Redis, end to end, jobs/s", 0),
    ("saq", "SAQ + Redis, end to end, jobs/s", 0),
    ("bulk", "Millrace, bulk submit, end to end, jobs/s", 0),
    ("bulk_submit", "    submitted alone, jobs/s", 0),
    ("single", "Millrace, one request a job, end to end, jobs/s", 0),
    ("single_submit", "    submitted alone, jobs/s", 0),
    ("engine", "engine alone, jobs/s", 0),
    ("c", "the same statements in C, jobs/s", 0),
    ("fsync_p50", "fsync of 4 KiB, p50, µs", 0),
    ("fsync_p99", "fsync of 4 KiB, p99, µs", 0),
    ("tcp_p50", "empty round trip, TCP, p50, µs", 0),
    ("tcp_p99", "empty round trip, TCP, p99, µs", 0),
    ("unix_p50", "empty round trip, Unix socket, p50, µs", 0),
    ("unix_p99", "empty round trip, Unix socket, p99, µs", 0),
    ("latency_p50", "submit to start, p50, µs", 0),
    ("latency_p99", "submit to start, p99, µs", 0),
    ("late", "arrivals that found no free connection", 0),
    ("shallow", "leases with 10,000 queued, jobs/s", 0),
    ("deep", "leases with {deep:,} queued, jobs/s", 0),
    ("deep_engine_mb", "engine's memory on that store, MB", 1),
    ("deep_server_mb", "server's memory on that store, at most, MB", 1),
    ("idle_mb", "idle server, MB", 1),
    ("idle_cpu", "idle server, % of a core", 2),
]

#: Name, value from the figures, what must be reached, and whether less is better.
RATIOS = [
    ("celery_ratio", lambda f: f.over("bulk", "celery"), 25, False),
    ("dramatiq_ratio", lambda f: f.over("bulk", "dramatiq"), 8, False),
    ("single_ratio", lambda f: f.over("single", "celery"), 6, False),
    ("engine_vs_c", lambda f: f.over("engine", "c"), 0.5, False),
    ("p50_ratio", lambda f: f.median("p50_ratio"), 1, True),
    ("p99_ratio", lambda f: f.median("p99_ratio"), 1, True),
    ("deep_ratio", lambda f: f.over("deep", "shallow"), 0.7, False),
    ("rss_mb", lambda f: f.median("deep_server_mb"), 200, True),
]
IDLE = [
    ("idle_mb", lambda f: f.median("idle_mb"), 60, True),
    ("idle_cpu_percent", lambda f: f.median("idle_cpu"), 0.5, True),
]


def print_table(figures, settings):
    print(f"\n{'':48}{'median':>12}{'least':>12}{'most':>12}")
    for name, title, digits in ROWS:
        values = figures.values.get(name)
        if values:
            numbers = "".join(f"{value:12,.{digits}f}" for value in (median(values), min(values), max(values)))
            print(f"{title.format(deep=settings.deep):48}{numbers}")
    print()
    for name, value_of, bound, less in RATIOS + IDLE:
        value = value_of(figures)
        if value is not None:
            reached = value <= bound if less else value >= bound
            verdict = "reached" if reached else "NOT REACHED"
            print(f"{name:18}{value:10.2f}   {'at most' if less else 'at least':8} {bound:<6} {verdict}")
    print()
    print(line(figures, IDLE))
    print(line(figures, RATIOS))


def line(figures, ratios):
    values = ((name, value_of(figures)) for name, value_of, *_ in ratios)
    return " ".join(f"{name}={'unmeasured' if value is None else f'{value:.2f}'}" for name, value in values)
