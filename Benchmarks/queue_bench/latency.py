"""From the moment a client sends a job to the moment a worker begins it, and what the machine itself takes."""

from benchkit.processes import answer_of

from .millrace import Server


def yardsticks(settings):
    """In microseconds, while nothing else runs. The way of a job goes over both kinds of sockets: the client's is TCP,
    the workers' a Unix socket; a round trip is the mean of both."""
    fsync = answer_of((settings.built / "fsync", settings.folder))
    sockets = answer_of((settings.built / "roundtrip",))
    trip = {part: (sockets["tcp"][part] + sockets["unix"][part]) / 2 for part in ("p50", "p99")}
    return {"fsync": fsync, "trip": trip, "tcp": sockets["tcp"], "unix": sockets["unix"]}


def percentile(ordered, share):
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def latency(settings, data):
    """Microseconds at p50 and p99 with a steady load and warm workers, beside the yardsticks of this moment."""
    marks = yardsticks(settings)
    ids = settings.folder / "ids"
    count = max(int(settings.rate * 20 * settings.scale), 200)
    with Server(settings, data) as server:
        server.run("single", settings.rate * 2, connections=16)
        sent = server.run("paced", count, connections=64, rate=settings.rate, ids=ids)
        results = [server.get(f"/v1/jobs/{name}/result") for name in ids.read_text().split()]
    took = sorted((result["startedAtNanoseconds"] - result["input"]["sentNanoseconds"]) / 1e3 for result in results)
    if len(took) != count or took[0] <= 0:
        raise RuntimeError(f"{len(took)} of {count} jobs told a time, the least of them {took[:1]} microseconds")
    p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
    fsync, trip = marks["fsync"], marks["trip"]
    return {
        **marks,
        "p50": p50,
        "p99": p99,
        "late": sent["late"],
        "p50_ratio": p50 / (3 * fsync["p50"] + 6 * trip["p50"]),
        "p99_ratio": p99 / (8 * fsync["p99"] + 20 * trip["p99"]),
    }
