import shutil
import sys
import time

from .cells import cell, geometric_mean, simulate
from .reality import Replay, compare
from .settings import ScalingSettings


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run_cells(settings, figures):
    comparisons = []
    for trace in settings.traces:
        for stretch in settings.stretches:
            for seed in settings.seeds:
                say(f"{trace.stem}, stretched {stretch:g} times, seed {seed}")
                found, kills = cell(settings, trace, stretch, seed)
                comparisons += found
                figures["busy_kills"] = figures.get("busy_kills", 0) + kills
    print_cells(comparisons)
    today = [one for one in comparisons if one.preset != "step"]
    step = [one for one in comparisons if one.preset == "step" and one.theirs.p95 < 600]
    for name in ("idle_ratio", "p95_ratio"):
        values = [getattr(one, name) for one in today]
        figures[name] = geometric_mean(values)
        figures[f"{name}_worst"] = max(float("inf") if value is None else value for value in values)
    figures["step_p95_ratio"] = geometric_mean([one.p95_ratio for one in step])


def print_cells(comparisons):
    print("| trace | stretch | seed | preset | its p95 wait | its hours | its idle | idle ratio | p95 ratio |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for one in comparisons:
        theirs = one.theirs
        idle = "" if one.preset == "step" else shown(one.idle_ratio)
        print(
            f"| {one.trace} | {one.stretch:g} | {one.seed} | {one.preset} | {theirs.p95:.1f} s | {theirs.hours:.2f} | "
            f"{theirs.idle:.2f} | {idle} | {shown(one.p95_ratio)} |"
        )
    print()


def shown(value):
    return "none" if value is None else f"{value:.3f}"


def run_reality(settings, figures):
    """The same jobs on real workers and in virtual time; some replays together, as a burst at the beginning sways one alone."""
    replays = [Replay(settings.replayed_trace, jobs=settings.replayed, seed=seed) for seed in settings.replays]
    found = compare(settings, replays, say)
    print(f"{sum(replay.jobs for replay in replays)} jobs replayed on local workers: simulated and real, seconds")
    for name, (simulated, real) in (("wait p50", found.p50), ("wait p95", found.p95), ("worker time", found.worker_seconds)):
        print(f"  {name:12} {simulated:8.2f} {real:8.2f}")
    figures["reality_error"] = found.error


def run_speed(settings, figures):
    """A million jobs, at a load that three to four workers serve."""
    say("a million jobs")
    jobs = ("--workload", "steady", "--per-hour", 6000, "--duration", "10000m")
    answer = simulate(settings, *jobs, "--base", "3400ms", "--boot", "240s", "--target", "10s")
    figures["sim_jobs_per_s"] = answer["jobsPerSecond"]
    print(f"{answer['policies'][0]['jobs']} jobs simulated, {answer['jobsPerSecond']:,.0f} a second")


def run_chaos(settings, figures):
    """Days with spot interruptions: no busy worker is killed, no job is lost or doubled."""
    days = jobs = interruptions = faults = seed = 0
    while days < settings.days:
        seed += 1
        say(f"days with interruptions: {days:.0f} of {settings.days:g}")
        workload = ("steady", "diurnal", "bursts", "flash")[seed % 4]
        arguments = ("--workload", workload, "--per-hour", 60, "--duration", "100d", "--seed", seed)
        fleet = ("--base", "20s", "--noise", 1, "--boot", "~180s", "--interruptions", 0.5, "--capacity", 10)
        for report in simulate(settings, *arguments, *fleet, "--target", "30s,10m")["policies"]:
            days += report["endedAt"] / 86_400
            jobs += report["jobs"]
            interruptions += report["interruptions"]
            faults += report["busyKills"] + report["lost"] + report["doubled"] + report["unfinished"]
    figures["busy_kills"] = figures.get("busy_kills", 0) + faults
    print(f"{days:.0f} days, {jobs} jobs, {interruptions} interruptions: {faults} killed while busy, lost or doubled")


ORDER = (
    "idle_ratio",
    "idle_ratio_worst",
    "p95_ratio",
    "p95_ratio_worst",
    "step_p95_ratio",
    "reality_error",
    "sim_jobs_per_s",
    "busy_kills",
)


def main():
    settings = ScalingSettings.read()
    figures = {}
    if "cells" in settings.parts:
        run_cells(settings, figures)
    if "reality" in settings.parts:
        run_reality(settings, figures)
    if "speed" in settings.parts:
        run_speed(settings, figures)
    if "chaos" in settings.parts:
        run_chaos(settings, figures)
    shutil.rmtree(settings.folder)
    print(" ".join(f"{name}={form(name, figures.get(name))}" for name in ORDER))


def form(name, value):
    if value is None:
        return "n/a"
    return f"{value:.0f}" if name in ("sim_jobs_per_s", "busy_kills") else f"{value:.3f}"


main()
