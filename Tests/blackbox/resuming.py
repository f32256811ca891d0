"""A long table whose worker is killed, and one whose worker is drained, go on from what is kept; nothing is lost or there twice."""

import csv
import io
import os
import signal
import time

from _millrace import DATA, ROOT, Server, wait_until

ROWS, INTERVAL = 6000, 0.5


def table(rows):
    """The demo's comments again and again, each row with a number of its own."""
    comments = list(csv.DictReader(io.StringIO((DATA / "comments-1000.csv").read_text(encoding="utf-8-sig"))))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["number", "text"])
    # Short ones: what is tested is the way, not the model.
    writer.writerows([number, comments[number % len(comments)]["text"][:40]] for number in range(rows))
    return out.getvalue().encode()


def going_on(server, job):
    """How many rows each later attempt found finished."""
    lines = [data["message"] for name, data in server.events(job) if name == "log"]
    return [int(line.split()[3]) for line in lines if line.startswith("going on after")]


def result(server, job):
    status, _, body = server.call("GET", f"/v1/jobs/{job}/result")
    assert status == 200, f"the result answered {status}"
    return list(csv.DictReader(io.StringIO(body.decode())))


def submit(server, text):
    return server.submit_files("sentiment", [("many.csv", text)], {"column": "text"})["id"]


def done(server, job):
    return (server.job(job).get("progress") or {}).get("done") or 0


def main():
    text = table(ROWS)
    with Server() as server:
        config = server.folder / "millrace.yaml"
        config.write_text(
            f"endpoints:\n  sentiment:\n    model: {ROOT}/models/minilm-sentiment\n    checkpointInterval: {int(INTERVAL * 1000)}ms\n"
            "    scaling: { max: 1, drain: 14s }\n")
        server.stop()
        server.config = str(config)
        server.start()

        first = submit(server, text)
        seen = []
        for share in (0.2, 0.5):
            wait_until(lambda share=share: done(server, first) > ROWS * share, 120, f"{share:.0%} of the rows are done", server)
            time.sleep(2 * INTERVAL)
            seen.append(done(server, first))
            os.kill(next(worker for worker in server.workers() if worker["state"] != "stopped")["processID"], signal.SIGKILL)
            wait_until(lambda: server.job(first)["crashes"] == len(seen), 60, "the crash was counted", server)
        job = server.wait(first, seconds=240)
        assert job["crashes"] == 2, job
        found = going_on(server, first)
        assert len(found) == 2 and 0 < found[0] < found[1], f"the attempts went on after {found}"
        print(f"killed at {seen}, went on after {found}")
        rows = result(server, first)
        assert [row["number"] for row in rows] == [str(number) for number in range(ROWS)], "rows are missing, doubled or out of order"
        assert all(row["sentiment"] for row in rows), "a row has no answer"

        # Another way through the same rows gives the same, and a drained worker keeps what it has.
        second = submit(server, text)
        wait_until(lambda: done(server, second) > ROWS * 0.3, 120, "a third of the rows is done", server)
        server.stop()
        server.start()
        job = server.wait(second, seconds=240)
        assert job["crashes"] == 0 and job["attempt"] == 1, f"to stop is no failure: {job}"
        assert len(going_on(server, second)) == 1, "the drained attempt left nothing to go on from"
        again = result(server, second)
        assert len(again) == len(rows), f"{len(again)} rows, not {len(rows)}"
        for one, other in zip(rows, again):
            # Who shares a call may move a score in its last digit.
            near = abs(float(one.pop("sentiment_score")) - float(other.pop("sentiment_score"))) <= 1e-4
            assert near and one == other, f"{other} is not {one}"


main()
