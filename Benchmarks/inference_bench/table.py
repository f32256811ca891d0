"""The rows of the table, and the figures that it ends with."""

from benchkit.table import Ratio, print_table

#: Figure, what it is called in the table, how many digits.
ROWS = [
    ("loop", "Python loop, photos/s", 1),
    ("litserve", "LitServe with batches, one worker as it has by default, photos/s", 1),
    ("litserve_tuned", "LitServe at its best of six settings, photos/s", 1),
    ("millrace", "Millrace, photos/s", 1),
    ("millrace_fetched", "    with all results fetched, photos/s", 1),
    ("millrace_submit", "    submitted alone, photos/s", 0),
    ("ceiling", "what this machine could do, photos/s", 1),
    ("photos_agreed", "photos with the loop's class, %", 2),
    ("sentiment_loop", "Python loop, rows/s", 1),
    ("sentiment_millrace", "Millrace, one CSV file, rows/s", 1),
    ("rows_differing", "rows with another label than the loop's", 0),
    ("cold", "submit to result with no worker, ms", 1),
    ("cold_worker", "    of these, the worker's start, ms", 1),
    ("session", "ONNX Runtime makes a session, ms", 1),
    ("gpu_loop", "ResNet-50 in a PyTorch loop, photos/s", 0),
    ("gpu_millrace", "ResNet-50 in a handler of Millrace, photos/s", 0),
]

#: What a start may take beside loading the model.
START_MS = 100


def coldstart_ratio(figures):
    cold, loading = figures.median("cold"), figures.median("session")
    return cold / (loading + START_MS) if cold else None


RATIOS = [
    Ratio("loop_ratio", lambda f: f.over("millrace", "loop")),
    Ratio("litserve_ratio", lambda f: f.over("millrace", "litserve")),
    Ratio("ceiling_ratio", lambda f: f.over("millrace", "ceiling")),
    Ratio("sentiment_ratio", lambda f: f.over("sentiment_millrace", "sentiment_loop")),
    Ratio("coldstart_ratio", coldstart_ratio, less=True),
    Ratio("gpu_ratio", lambda f: f.over("gpu_millrace", "gpu_loop")),
    Ratio("litserve_tuned_ratio", lambda f: f.over("millrace", "litserve_tuned")),
]


def print_inference_table(figures):
    print_table(figures, ROWS, RATIOS)
