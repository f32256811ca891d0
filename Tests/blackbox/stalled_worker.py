"""A worker that stands still for longer than its lease: its job goes back, what it reports afterwards is refused, and the job
is recorded once."""

import os
import signal

from _millrace import DATA, SECRET, WEBHOOKS, Receiver, Server, recorded_once, wait_until


def main():
    with Server(environment={**WEBHOOKS, "MILLRACE_LEASE": "2s"}) as server:
        receiver = Receiver(SECRET)
        header, rows = (DATA / "comments-1000.csv").read_bytes().split(b"\n", 1)
        job = server.submit_files("sentiment", [("many.csv", header + b"\n" + rows * 4)], {"callback": receiver.url})["id"]
        wait_until(lambda: (server.job(job).get("progress") or {}).get("done"), 60, "the job is in its middle", server)
        worker = next(worker for worker in server.workers() if worker["id"] == server.job(job)["worker"])
        os.kill(worker["processID"], signal.SIGSTOP)
        try:
            # One lease for the silence, up to one more before the rescue looks.
            wait_until(lambda: server.job(job)["state"] == "queued", 30, "the lease has expired", server)
        finally:
            os.kill(worker["processID"], signal.SIGCONT)
        done = server.wait(job)
        assert done["crashes"] == 1 and done["attempt"] == 1, (done["crashes"], done["attempt"])
        recorded_once(server, receiver, job)


main()
