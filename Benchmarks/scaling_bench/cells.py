"""Each trace at each stretch and seed: the default policy with its knob swept, beside what people use today."""

import json
import math
import subprocess
from dataclasses import dataclass

PRESETS = ("sagemaker", "keda", "step")
#: Service time 0.2 s + 15 ms per output token, boot 180 s, pull and load 60 s, at most 20 workers.
FLEET = ("--base", "200ms", "--per-output", "15ms", "--boot", "180s", "--pull", "60s", "--max", "20")


def targets():
    """The knob, in seconds: coarse, and finer where one worker more or less decides."""
    value, all_targets = 0.3, []
    while value < 1200:
        all_targets.append(value)
        value *= 1.02**0.5 if 15 < value < 50 else 1.2
    return all_targets


@dataclass(frozen=True)
class Point:
    name: str
    p95: float  # waits under a second count as one
    hours: float
    idle: float

    @classmethod
    def of(cls, report):
        return cls(report["policy"], max(1.0, report["wait"]["p95"]), report["workerHours"], report["idleHours"])


@dataclass(frozen=True)
class Comparison:
    trace: str
    stretch: float
    seed: int
    preset: str
    theirs: Point
    #: Least idle hours at their p95 or better; least p95 at their hours or fewer. None: no point reaches that.
    idle_ratio: float | None
    p95_ratio: float | None


def simulate(settings, *arguments):
    command = [settings.binary, "simulate", "--json", "--brief", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def cell(settings, trace, stretch, seed):
    knob = ",".join(f"{round(target * 1000)}ms" for target in targets())
    jobs = ("--trace", trace, "--stretch", stretch, "--keep", 0.8, "--seed", seed)
    answer = simulate(settings, *jobs, *FLEET, "--target", knob, "--preset", ",".join(PRESETS))
    points = [Point.of(report) for report in answer["policies"]]
    ours = [point for point in points if point.name not in PRESETS]
    kills = sum(report["busyKills"] + report["lost"] + report["doubled"] for report in answer["policies"])
    theirs = {point.name: point for point in points if point.name in PRESETS}
    return [compare(trace.stem, stretch, seed, name, theirs[name], ours) for name in PRESETS], kills


def compare(trace, stretch, seed, preset, theirs, ours):
    more = 1.25 if preset == "step" else 1.0
    idle = min((point.idle for point in ours if point.p95 <= theirs.p95), default=None)
    p95 = min((point.p95 for point in ours if point.hours <= more * theirs.hours), default=None)
    return Comparison(trace, stretch, seed, preset, theirs, ratio(idle, theirs.idle), ratio(p95, theirs.p95))


def ratio(ours, theirs):
    return None if ours is None else ours / theirs


def geometric_mean(values):
    if not values or any(value is None for value in values):
        return math.inf
    return math.exp(sum(math.log(value) for value in values) / len(values))
