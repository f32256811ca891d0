"""The simulator beside a real server: the same jobs, on local workers whose handler sleeps as long as a job takes.

A part of a trace is compressed, so that minutes do for hours. The server starts with no worker and scales by the default policy; every job is
sent at its time, whatever became of those before it. The simulator is given the same times, the same sleeps and what a start took.
"""

import csv
import json
import random
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass

from benchkit.client import Connection
from benchkit.progress import ProgressBar
from benchkit.server import Server
from benchkit.settings import ROOT

ENDPOINT = "sleep"

CONFIG = """\
auth: none
logLevel: warning
python: {python}
endpoints:
  {endpoint}:
    model: {model}
    scaling:
      min: 0
      max: {workers}
      policy: {{ targetWait: {target}ms }}
"""


@dataclass
class Replay:
    """What is replayed: `jobs` of a trace within `seconds`; the sleeps are those of the bench, compressed so that `workers` suffice."""

    trace: str
    jobs: int = 250
    seconds: float = 75
    workers: int = 8
    #: How many workers the jobs keep busy on average.
    load: float = 2.5
    target: float = 2.0
    seed: int = 1


@dataclass
class Measured:
    #: Seconds from acceptance to start, of each job.
    waits: list
    #: What all jobs took, handing them over included.
    run_seconds: float
    #: From wanted to gone, of all workers together.
    worker_seconds: float
    #: From wanted to ready, of each worker.
    starts: list


@dataclass
class Comparison:
    """`(simulated, real)` each, in seconds."""

    p50: tuple
    p95: tuple
    worker_seconds: tuple

    @property
    def error(self):
        """The largest difference over what is real; of waits below half a second over that, so that 50 ms are a tenth."""
        differences = [abs(simulated - real) / max(real, 0.5) for simulated, real in (self.p50, self.p95, self.worker_seconds)]
        return max(differences)


def compare(settings, replays, say):
    """The means over some replays."""
    pairs = []
    for replay in replays:
        say(f"replaying {replay.jobs} jobs on local workers, seed {replay.seed}")
        jobs = plan(replay)
        real = replay_for_real(settings, replay, jobs)
        simulated = simulate(settings, replay, jobs, real)
        pairs.append(
            (
                (simulated["wait"]["p50"], percentile(real.waits, 0.5)),
                (simulated["wait"]["p95"], percentile(real.waits, 0.95)),
                (3600 * simulated["workerHours"], real.worker_seconds),
            )
        )
    return Comparison(*(mean(figures) for figures in zip(*pairs)))


def mean(pairs):
    return tuple(sum(values) / len(values) for values in zip(*pairs))


def simulate(settings, replay, jobs, real):
    """The same jobs in virtual time: a token stands for a millisecond of sleep."""
    trace = settings.folder / f"reality-{replay.seed}.csv"
    with open(trace, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("arrival_s", "input_size", "output_size"))
        writer.writerows((f"{arrival:.3f}", 0, round(1000 * sleep)) for arrival, sleep in jobs)
    overhead = max(0, real.run_seconds - sum(sleep for _, sleep in jobs)) / len(jobs)
    start = sum(real.starts) / len(real.starts)
    command = (
        *(settings.binary, "simulate", "--trace", trace, "--base", f"{round(1000 * overhead)}ms", "--per-output", "1ms"),
        *("--boot", f"{round(1000 * start)}ms", "--pull", "0s", "--load", "0s", "--max", replay.workers),
        *("--target", f"{round(1000 * replay.target)}ms", "--spacing", "100ms", "--json"),
    )
    answer = json.loads(subprocess.check_output([str(part) for part in command]))
    return answer["policies"][0]


def percentile(values, share):
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, max(0, round(share * len(ranked) + 0.4999) - 1))]


def plan(replay):
    """`(arrival, sleep)` of each job, in seconds."""
    with open(replay.trace, newline="") as file:
        rows = [(float(row["arrival_s"]), int(row["output_size"])) for row in csv.DictReader(file)]
    chosen = sorted(random.Random(replay.seed).sample(rows, min(replay.jobs, len(rows))))
    first, last = chosen[0][0], chosen[-1][0]
    sleeps = [0.2 + 0.015 * size for _, size in chosen]
    scale = replay.load * replay.seconds / sum(sleeps)
    return [
        ((arrival - first) / (last - first) * replay.seconds, round(scale * sleep, 3))
        for (arrival, _), sleep in zip(chosen, sleeps)
    ]


def replay_for_real(settings, replay, jobs):
    data = settings.folder / f"reality-{replay.seed}"
    config = CONFIG.format(
        python=settings.python,
        endpoint=ENDPOINT,
        model=ROOT / "Benchmarks/sleeping-model",
        workers=replay.workers,
        target=round(1000 * replay.target),
    )
    with Server(settings, data, config, ENDPOINT, 0) as server:
        send_in_time(server.port, jobs)
        # The server closes what was silent for as long as this.
        server.connection.close()
        server.wait_for(len(jobs), 600)
        resources = list(ended_jobs(server))
        # Until the last worker is gone, whose time counts as well.
        deadline = time.monotonic() + 600
        while server.worker_list() and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(1)
        cost = server.get("/v1/scaling/cost")["total"]
        starts = [start["totalSeconds"] for start in server.get(f"/v1/scaling/starts?endpoint={ENDPOINT}&limit=200")["starts"]]
    waits = [job["timing"]["waitSeconds"] for job in resources]
    runs = [job["timing"]["runSeconds"] for job in resources]
    return Measured(waits, sum(runs), 3600 * cost["gpuHoursUsed"], [start for start in starts if start is not None])


def send_in_time(port, jobs):
    """Each job at its time: over connections that are free, more as they are needed."""
    free, lock, failures = deque(), threading.Lock(), []
    bar = ProgressBar("replaying", len(jobs))

    def send(sleep):
        with lock:
            connection = free.popleft() if free else Connection(port)
        try:
            body = json.dumps({"input": {}, "parameters": {"seconds": sleep}}).encode()
            connection.wanted(202, "POST", f"/v1/endpoints/{ENDPOINT}/jobs", body, content_type="application/json")
            with lock:
                free.append(connection)
        except Exception as error:  # told by the thread that waits
            failures.append(error)

    begun, threads = time.perf_counter(), []
    for arrival, sleep in jobs:
        time.sleep(max(0, begun + arrival - time.perf_counter()))
        thread = threading.Thread(target=send, args=(sleep,))
        thread.start()
        threads.append(thread)
        bar.step()
    for thread in threads:
        thread.join()
    for connection in free:
        connection.close()
    if failures:
        raise failures[0]


def ended_jobs(server):
    path = f"/v1/jobs?endpoint={ENDPOINT}&limit=200"
    cursor = ""
    while cursor is not None:
        page = server.get(path + (f"&cursor={cursor}" if cursor else ""))
        yield from page["jobs"]
        cursor = page.get("nextCursor")
