"""kill -9 of each job's worker in the middle of the job: the job ends all the same, once, and its webhook comes."""

import os
import signal

from _millrace import FINAL, WEBHOOKS, SECRET, Receiver, Server, demo_jobs, recorded_once, wait_until


def is_in_the_middle(job):
    done = (job.get("progress") or {}).get("done") or 0
    # The training has a checkpoint after its first epoch, and must go on from there.
    return job["state"] == "running" and done > (1.2 if job["endpoint"] == "train" else 0)


def main():
    with Server(environment=WEBHOOKS) as server:
        receiver = Receiver(SECRET)
        jobs = demo_jobs(server, receiver.url)
        killed = set()

        def kill_those_in_the_middle():
            for endpoint, identifier in jobs.items():
                job = server.job(identifier)
                if endpoint in killed:
                    continue
                assert job["state"] not in FINAL, f"{endpoint} ended before its worker was killed; make it longer"
                if is_in_the_middle(job):
                    worker = next(worker for worker in server.workers() if worker["id"] == job["worker"])
                    os.kill(worker["processID"], signal.SIGKILL)
                    print(f"killed {endpoint} at {job['progress']}", flush=True)
                    killed.add(endpoint)
            return len(killed) == len(jobs)

        wait_until(kill_those_in_the_middle, 120, "each worker was killed once", server)
        for endpoint, identifier in jobs.items():
            job = server.wait(identifier, seconds=180)
            assert job["crashes"] == 1, f"{endpoint}: one death, {job['crashes']} counted"
            assert job["attempt"] == 1, f"{endpoint}: a crash must cost no attempt, {job['attempt']} counted"
            recorded_once(server, receiver, identifier)
        resumed = [data["message"] for name, data in server.events(jobs["train"]) if name == "log" and "going on after epoch" in data["message"]]
        assert resumed, "the training did not resume from its checkpoint"
        print(f"training: {resumed[0]}")


main()
