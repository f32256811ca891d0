#!/usr/bin/env python3
"""Draws the charts of docs/guide/scaling.md and docs/architecture/09-scaling.md anew, with `millrace simulate`.

    dev/build-release millrace && python3 Benchmarks/scaling_charts.py

MILLRACE_BIN names another binary, TRACES another folder with azure-code-2023.csv.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "docs/assets"
BINARY = os.environ.get("MILLRACE_BIN", ROOT / ".build/release/millrace")
TRACE = Path(os.environ.get("TRACES", ROOT / "Benchmarks/traces")) / "azure-code-2023.csv"

BURSTS = "--workload bursts --per-hour 400 --duration 3d --base 4s --boot 90s --load 30s --max 8".split()
WAVE = "--workload diurnal --per-hour 3000 --duration 2d --base 3s --boot 90s --load 30s --max 12".split()
CODE = ["--trace", TRACE, *"--stretch 24 --base 200ms --per-output 15ms --boot 180s --pull 60s --max 20".split()]

#: What is simulated, and which charts of its page are kept under which names.
CHARTS = (
    ([*BURSTS, "--target", "5s,30s,1m,110s,5m,20m", "--preset", "step,sagemaker,keda"], {"p95 wait against idle worker-hours": "knob"}),
    ([*WAVE, "--target", "10s,10m"], {"Workers over time, targetWait 10 s": "day-short", "Workers over time, targetWait 600 s": "day-long"}),
    ([*CODE, "--target", "1s,20s,2m,200s,230s,5m", "--preset", "step,sagemaker,keda"], {"p95 wait against idle worker-hours": "tradeoff"}),
    (
        [*CODE, "--target", "5m", "--preset", "keda"],
        {"Workers over time, targetWait 300 s": "targetwait", "Workers over time, keda": "keda"},
    ),
)


def charts(arguments):
    """Each chart of the page by what it shows."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        subprocess.run([BINARY, "simulate", *map(str, arguments), "--html", page], check=True)
        return {re.search(r'aria-label="([^"]*)"', chart)[1]: chart for chart in re.findall(r"<svg .*?</svg>", page.read_text(), re.DOTALL)}


def main():
    for arguments, names in CHARTS:
        drawn = charts(arguments)
        for shown, name in names.items():
            (ASSETS / f"scaling-{name}.svg").write_text(drawn[shown])
            print(f"wrote docs/assets/scaling-{name}.svg")


main()
