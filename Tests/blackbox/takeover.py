"""A server on standby takes over when the one that serves is killed, and again when its successor is stopped: workers go on, jobs end once,
and the scaling goes on where it was."""

import signal
import subprocess
import time

from _millrace import BINARY, DATA, ROOT, SECRET, WEBHOOKS, Receiver, Server, demo_jobs, recorded_once, wait_until


class Succession(Server):
    def stand_by(self):
        log = open(self.folder / "server.log", "ab")
        self.next = subprocess.Popen(
            [BINARY, "serve", "--standby", "--config", self.config, "--data", str(self.data), "--port", str(self.port)],
            cwd=ROOT, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(lambda: "this one takes over when that ends" in self.log(), 30, "the other is on standby", self)

    def succeed(self):
        """The one on standby is the server now."""
        begun = time.monotonic()
        self.process, self.next = self.next, None
        wait_until(self._is_ready, 60, "the server on standby is ready", self)
        print(f"taken over after {time.monotonic() - begun:.1f} s", flush=True)

    def decisions(self):
        return self.json("GET", "/v1/scaling/decisions?limit=200")["decisions"]


def main():
    with Succession(environment=WEBHOOKS) as server:
        receiver = Receiver(SECRET)
        server.stand_by()
        jobs = demo_jobs(server, receiver.url)
        states = {}

        def have_begun():
            states.update({endpoint: server.job(identifier)["state"] for endpoint, identifier in jobs.items()})
            return "queued" not in states.values()

        wait_until(have_begun, 120, "all jobs have begun", server)
        assert "running" in states.values(), f"nothing is left to take over: {states}"
        decisions = server.decisions()
        assert server.next.poll() is None, "the server on standby has ended"
        server.kill()
        server.succeed()
        assert server.decisions()[-len(decisions):] == decisions, "what the other had decided is gone"
        for identifier in jobs.values():
            job = server.wait(identifier, seconds=180)
            assert job["attempt"] == 1 and job["crashes"] == 0, f"a worker did not go on: {job}"
            recorded_once(server, receiver, identifier)
        wait_until(lambda: not server.workers(), 120, "the fleet is back at zero", server)
        assert len(server.decisions()) > len(decisions), "the second has decided nothing"

        server.stand_by()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=90)
        server.succeed()
        photo = next((DATA / "photos").glob("*.jpg"))
        server.wait(server.submit_files("classify", [photo])["id"])


main()
