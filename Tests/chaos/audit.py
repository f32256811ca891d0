"""Judges from outside: what clients were told and what receivers got, against what the server says in the end."""

import http.client
import json
import time
from dataclasses import dataclass

from host import FINAL, Server

SETTLE_SECONDS = 30
# A receiver that refuses once is asked again after 5 s; a sender that died in the middle of a try keeps its claim for
# a minute and a half.
WEBHOOK_SECONDS = 130


@dataclass
class Violation:
    kind: str
    """lost, doubled, stuck, or wrong."""
    job: str
    round: int
    text: str

    def __str__(self):
        return f"{self.kind}: round {self.round}, job {self.job}: {self.text}"


class Api:
    """One connection that is kept: an audit asks some hundred things."""

    def __init__(self, host):
        self.host, self.connection = host, None

    def get(self, path):
        for attempt in range(5):
            try:
                self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=15)
                self.connection.request("GET", path, headers={"Authorization": f"Bearer {self.host.key}"})
                response = self.connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self.connection = None
                if attempt == 4:
                    raise
                time.sleep(0.2)

    def json(self, path):
        status, content = self.get(path)
        assert status == 200, f"GET {path} answered {status}: {content[:500]!r}"
        return json.loads(content)

    def jobs(self, query=""):
        cursor = ""
        while cursor is not None:
            page = self.json(f"/v1/jobs?limit=200{query}" + (f"&cursor={cursor}" if cursor else ""))
            yield from page["jobs"]
            cursor = page.get("nextCursor")


class Auditor:
    def __init__(self, host, receiver):
        self.api, self.receiver = Api(host), receiver
        self.jobs, self.ended, self.untold, self.violations = {}, {}, [], []
        self.told_worst = 0.0

    def settle(self):
        """Waits until nothing is queued or running, and says how long it took."""
        begun = time.monotonic()
        while time.monotonic() - begun < SETTLE_SECONDS:
            if not next(self.api.jobs("&state=queued,running"), None):
                break
            time.sleep(0.1)
        return time.monotonic() - begun

    def judge(self, accepted):
        """Every job of a round that has settled."""
        for job in accepted:
            self.jobs[job.id] = job
            kind, text = self._verdict(job) or (None, None)
            if kind:
                self._accuse(kind, job, text)
        self.untold += [(job, time.monotonic()) for job in accepted if job.id in self.ended]
        self.judge_webhooks()

    def _accuse(self, kind, job, text):
        self.violations.append(Violation(kind, job.id, job.round, text))

    def judge_key(self, jobs):
        """What was accepted under one idempotency key is one job."""
        if len(jobs) > 1:
            ids = [job.id for job in jobs]
            self._accuse("doubled", jobs[0], f"one idempotency key led to several jobs: {ids}")

    def _verdict(self, job):
        status, content = self.api.get(f"/v1/jobs/{job.id}")
        if status == 404:
            return "lost", "its 202 was received, and nobody knows it"
        state = json.loads(content).get("state")
        if state not in FINAL:
            return "stuck", f"still {state}: {content[:300]!r}"
        self.ended[job.id] = state
        return self._history(job, state) or self._result(job, state, content)

    def _history(self, job, state):
        status, content = self.api.get(f"/v1/jobs/{job.id}/events")
        if status != 200:
            return "wrong", f"its events answer {status}"
        states = [data["state"] for name, data in Server._parse_events(content) if name == "state"]
        finals = [name for name in states if name in FINAL]
        if len(finals) > 1:
            return "doubled", f"it ended {len(finals)} times: {states}"
        if finals != [state] or states[-1] != state:
            return "wrong", f"it is {state}, and its history is {states}"
        return None

    def _result(self, job, state, content):
        if state != "succeeded":
            return "wrong", f"it ended as {state}: {content[:300]!r}"
        status, content = self.api.get(f"/v1/jobs/{job.id}/result")
        if status != 200 or json.loads(content) != job.result:
            return "lost", f"its result is not there or not its own: {status}, {content[:300]!r}"
        return None

    def judge_webhooks(self):
        """Looks who has been told by now; who has not stays on the list, until it is too late."""
        left = []
        for job, since in self.untold:
            deliveries = self.receiver.of(job.id)
            if taken := next((delivery.at for delivery in deliveries if delivery.taken), None):
                self.told_worst = max(self.told_worst, taken - since)
                self._judge_deliveries(job, deliveries)
            elif time.monotonic() - since > WEBHOOK_SECONDS:
                told = self.api.json(f"/v1/jobs/{job.id}/deliveries")
                self._accuse("lost", job, f"its webhook never came: {json.dumps(told)[:800]}")
            else:
                left.append((job, since))
        self.untold = left

    def _judge_deliveries(self, job, deliveries):
        ids = {delivery.webhook for delivery in deliveries}
        if len(ids) > 1:
            self._accuse("doubled", job, f"it was told under {len(ids)} ids: {sorted(ids)}")
        states = {delivery.state for delivery in deliveries}
        if states != {self.ended[job.id]}:
            self._accuse("wrong", job, f"it is {self.ended[job.id]} and was told as {states}")
        for delivery in deliveries:
            if delivery.fault:
                self._accuse("wrong", job, f"a webhook: {delivery.fault}")

    def finish(self, progress):
        """Waits for the last webhooks, then looks at all jobs of all rounds once more."""
        while self.untold:
            progress(f"{len(self.untold)} webhooks are on their way")
            time.sleep(0.5)
            self.judge_webhooks()
        accused = {violation.job for violation in self.violations}
        now = {job["id"]: job["state"] for job in self.api.jobs()}
        for id, state in self.ended.items():
            if id in accused:
                continue
            job = self.jobs[id]
            if now.get(id) != state:
                kind = "doubled" if id in now else "lost"
                self._accuse(kind, job, f"it had ended as {state} and is {now.get(id)} in the end")
            self._judge_deliveries(job, self.receiver.of(id))
