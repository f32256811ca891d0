"""What operators and clients steer a queue with, against a real server with the echo model: times and deadlines, quotas, pause, resume
and drain, position, history, many jobs at once and dead letters, over HTTP and from the command line."""

import json
import subprocess
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from _millrace import BINARY, ROOT, Server, wait_until

SETTINGS = f"""
endpoints:
  echo: {{ model: {ROOT / "models/echo"}, retry: {{ backoffBase: 10ms, attemptsMax: 2 }}, scaling: {{ max: 1 }} }}
  tight:
    model: {ROOT / "models/echo"}
    quotas: {{ tenant: {{ queuedMax: 3 }}, endpoint: {{ rate: 600/m, burst: 5 }} }}
    scaling: {{ max: 0 }}
  punctual: {{ model: {ROOT / "models/echo"}, deadline: 1s, scaling: {{ max: 0 }} }}
"""


def command(server, *arguments, status=0):
    own = {"MILLRACE_SERVER": f"http://127.0.0.1:{server.port}", "MILLRACE_DATA": str(server.data), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([BINARY, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, env=own, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == status, f"{arguments}: status {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}"
    return done


def submit(server, endpoint="echo", **fields):
    return server.submit_json(endpoint, {"input": "x", **fields})


def mode(server, endpoint, action, **body):
    return server.json("POST", f"/v1/endpoints/{endpoint}/{action}", body)


def times(server):
    at = datetime.now(timezone.utc) + timedelta(seconds=2)
    job = submit(server, runAt=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    delayed = submit(server, delaySeconds=1.5)
    assert job["state"] == delayed["state"] == "queued" and "runAt" in job, job
    for identifier, wait in ((job["id"], 1.5), (delayed["id"], 1.5)):
        done = server.wait(identifier)
        assert done["timing"]["waitSeconds"] >= wait, f"{identifier} ran after {done['timing']['waitSeconds']} s"
    past = submit(server, runAt="2020-01-01T00:00:00Z")
    server.wait(past["id"])
    late = submit(server, "punctual")
    expired = server.wait(late["id"], "expired", 30)
    assert expired["error"]["code"] == "deadline_exceeded", expired
    slow = submit(server, parameters={"seconds": 30}, deadlineSeconds=2)
    ended = server.wait(slow["id"], "failed", 30)
    assert ended["error"]["code"] == "deadline_exceeded" and ended["timing"]["runSeconds"] < 10, ended
    refused = server.submit_json("echo", {"input": 1, "delaySeconds": 60, "deadlineSeconds": 30}, expect=422)
    assert "must have ended" in refused["detail"], refused


def quotas(server):
    accepted = [submit(server, "tight")["id"] for _ in range(3)]
    status, headers, body = server.call("POST", "/v1/endpoints/tight/jobs", '{"input": 1}', {"Content-Type": "application/json"})
    assert status == 429 and json.loads(body)["code"] == "quota_exceeded", body
    assert int(headers["retry-after"]) >= 1, headers
    server.submit_files("tight", [("note.txt", b"hello")], expect=429)
    server.json("POST", f"/v1/jobs/{accepted[0]}/cancel", {})
    server.json("POST", f"/v1/jobs/{accepted[1]}/cancel", {})
    time.sleep(0.2)
    submit(server, "tight")
    assert server.json("GET", "/v1/jobs/count?endpoint=tight&state=queued") == {"count": 2}
    assert not any(worker["endpoint"] == "tight" for worker in server.workers()), "scaling.max: 0 starts no worker"


def modes(server):
    paused = mode(server, "echo", "pause", reason="wrong labels")
    assert paused["mode"] == "paused" and paused["modeReason"] == "wrong labels", paused
    jobs = [submit(server, parameters={"seconds": 0.1})["id"] for _ in range(4)]
    time.sleep(1.5)
    assert {server.job(job)["state"] for job in jobs} == {"queued"}, "a paused endpoint runs nothing"
    place = server.job(jobs[3])["queue"]
    assert place["ahead"] == 3 and "estimatedStart" not in place, place
    shown = command(server, "jobs", "show", jobs[3]).stdout
    assert "behind 3 jobs" in shown and "submitted" in shown, shown
    assert "wrong labels" in command(server, "endpoints").stderr
    drained = command(server, "endpoints", "drain", "echo", "--wait", "--reason", "end of the day")
    assert "echo  draining" in drained.stdout and "echo is empty" in drained.stderr, drained
    for job in jobs:
        server.wait(job)
    status, headers, body = server.call("POST", "/v1/endpoints/echo/jobs", '{"input": 1}', {"Content-Type": "application/json"})
    assert status == 503 and json.loads(body)["code"] == "endpoint_draining" and int(headers["retry-after"]) >= 1, body
    assert "echo  open" in command(server, "endpoints", "resume", "echo").stdout
    server.wait(submit(server)["id"])


def filters(server):
    mode(server, "echo", "pause")
    kept = submit(server, delaySeconds=3600)["id"]
    time.sleep(0.05)
    since = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for _ in range(30):
        submit(server)
    assert command(server, "jobs", "count", "--endpoint", "echo", "--state", "queued").stdout == "31\n"
    said = command(server, "jobs", "cancel", "--endpoint", "echo", "--created-after", since).stdout
    assert said == "cancelled 30 jobs\n", said
    assert server.job(kept)["state"] == "queued"
    assert server.json("POST", "/v1/jobs/cancel", {"endpoint": "echo"}) == {"changed": 1}
    assert "which jobs" in server.json("POST", "/v1/jobs/cancel", {}, expect=400)["detail"]
    mode(server, "echo", "resume")


def dead_letters(server):
    failing = [submit(server, parameters={"failures": 2})["id"] for _ in range(3)]
    for job in failing:
        server.wait(job, "failed")
    page = server.json("GET", "/v1/dead-letters?endpoint=echo&code=handler_error")
    assert page["codes"] == {"handler_error": 3} and {job["id"] for job in page["jobs"]} == set(failing), page
    assert all(job["attempt"] == 2 for job in page["jobs"])
    listed = command(server, "dead-letters", "list", "--endpoint", "echo", "--code", "handler_error")
    assert all(job in listed.stdout for job in failing) and "3 handler_error" in listed.stderr, listed
    shown = command(server, "dead-letters", "show", failing[0]).stdout
    assert "retry after handler_error" in shown and "failures" in shown, shown
    said = command(server, "dead-letters", "redrive", "--endpoint", "echo", "--code", "handler_error", "--json").stdout
    assert json.loads(said) == {"changed": 3}, said
    for job in failing:
        wait_until(lambda job=job: len(history(server, job)) == 10, 60, f"{job} has failed again", server)
    changes = history(server, failing[0])
    assert [change["state"] for change in changes] == ["queued", "running", "queued", "running", "failed"] * 2, changes
    assert changes[1]["worker"] and changes[5]["reason"] == "retried by hand", changes
    assert command(server, "dead-letters", "redrive", failing[0]).stdout.startswith(failing[0])


def history(server, job):
    return server.json("GET", f"/v1/jobs/{job}/history")["history"]


def restart(server):
    """Modes and histories are in the store, and a server that comes after a killed one scales at once."""
    mode(server, "tight", "pause", reason="kept")
    job = submit(server)["id"]
    server.wait(job)
    before = history(server, job)
    server.kill()
    server.start()
    assert server.json("GET", "/v1/endpoints/tight")["modeReason"] == "kept"
    assert history(server, job) == before
    start = time.monotonic()
    server.wait(submit(server)["id"], seconds=30)
    assert time.monotonic() - start < 12, "a new server waits for the lead of a dead one"


def main():
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "millrace.yaml"
        settings.write_text(SETTINGS)
        with Server(config=str(settings)) as server:
            for step in (times, quotas, modes, filters, dead_letters, restart):
                step(server)


main()
