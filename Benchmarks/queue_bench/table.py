"""The rows of the table, and the figures that it ends with."""

from benchkit.table import Ratio, print_table

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

RATIOS = [
    Ratio("celery_ratio", lambda f: f.over("bulk", "celery"), 25),
    Ratio("dramatiq_ratio", lambda f: f.over("bulk", "dramatiq"), 8),
    Ratio("single_ratio", lambda f: f.over("single", "celery"), 6),
    Ratio("engine_vs_c", lambda f: f.over("engine", "c"), 0.5),
    Ratio("p50_ratio", lambda f: f.median("p50_ratio"), 1, less=True),
    Ratio("p99_ratio", lambda f: f.median("p99_ratio"), 1, less=True),
    Ratio("deep_ratio", lambda f: f.over("deep", "shallow"), 0.7),
    Ratio("rss_mb", lambda f: f.median("deep_server_mb"), 200, less=True),
]
IDLE = [
    Ratio("idle_mb", lambda f: f.median("idle_mb"), 60, less=True),
    Ratio("idle_cpu_percent", lambda f: f.median("idle_cpu"), 0.5, less=True),
]


def print_queue_table(figures, settings):
    # Ratios last: the table ends with their line.
    print_table(figures, ROWS, IDLE, RATIOS, deep=settings.deep)
