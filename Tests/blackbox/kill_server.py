"""kill -9 of the server in the middle of all four jobs, and a restart: every job ends, once, and its webhook comes."""

import time

from _millrace import FINAL, WEBHOOKS, SECRET, Receiver, Server, demo_jobs, recorded_once, wait_until


def main():
    with Server(environment=WEBHOOKS) as server:
        receiver = Receiver(SECRET, refuse=1)
        jobs = demo_jobs(server, receiver.url)
        kills = 0
        # At the first sight of each job in its middle, so that each is hit at least once.
        hit = set()
        deadline = time.monotonic() + 150
        while len(hit) < len(jobs) and time.monotonic() < deadline:
            states = {endpoint: server.job(identifier) for endpoint, identifier in jobs.items()}
            middle = {endpoint for endpoint, job in states.items() if job["state"] == "running"} - hit
            ended = {endpoint for endpoint, job in states.items() if job["state"] in FINAL}
            assert not ended - hit, f"{ended - hit} ended before the server was killed"
            if middle:
                server.kill()
                kills += 1
                hit |= middle
                print(f"killed the server in the middle of {sorted(middle)}", flush=True)
                server.start()
            time.sleep(0.05)
        assert len(hit) == len(jobs), f"only {hit} were seen running"
        for endpoint, identifier in jobs.items():
            job = server.wait(identifier, seconds=180)
            print(f"{endpoint}: attempt {job['attempt']}, crashes {job['crashes']}", flush=True)
            recorded_once(server, receiver, identifier)
        wait_until(lambda: not server.workers(), 120, "the fleet is back at zero", server)


main()
