"""Clients that submit jobs and write down every 202, before anything else is done with it."""

import http.client
import json
import threading
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field

from host import ENDPOINT


@dataclass
class Accepted:
    """A job for which a 202 was received."""
    id: str
    at: float
    """When the 202 was received, on the monotonic clock."""
    round: int
    result: object
    """What its result must be."""


@dataclass
class Tally:
    refused: int = 0
    """Answers that said "not now": 503, 507, 429."""
    unanswered: int = 0
    faults: list = field(default_factory=list)
    """Answers that no client should get, in words."""


class Load:
    """Some clients, each a thread. A request without an answer is repeated with its idempotency key."""

    clients = 3
    REFUSALS = {429, 503, 507}

    def __init__(self, host, callback, log, round, random):
        self.host, self.callback, self.log, self.round = host, callback, log, round
        self.accepted, self.by_key, self.tally = [], {}, Tally()
        self.lock = threading.Lock()
        self.stop = threading.Event()
        seeds = [random.getrandbits(64) for _ in range(self.clients)]
        self.threads = [threading.Thread(target=self._run, args=(type(random)(seed),), daemon=True) for seed in seeds]

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, random):
        connection = None
        while not self.stop.is_set():
            request = self._request(random)
            for _ in range(20):
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.host.port, timeout=6)
                again, keep = self._submit(connection, request)
                if not keep:
                    connection.close()
                    connection = None
                if not again or self.stop.is_set():
                    break
                time.sleep(0.1)
            time.sleep(random.uniform(0, 0.12))

    def _request(self, random):
        key = f"{self.round}-{uuid.UUID(int=random.getrandbits(128))}"
        # A short result is kept with its job, a long one in a file.
        text = key + "." * random.choices([0, 6000], [75, 25])[0]
        seconds = random.choices([0, 0.05, round(random.uniform(0.3, 1.5), 2)], [75, 20, 5])[0]
        headers = {"Authorization": f"Bearer {self.host.key}", "Idempotency-Key": key}
        if random.random() < 0.3:
            quoted = urllib.parse.quote(self.callback, safe="")
            # A file: bytes that have to be durable beside the row.
            path = f"/v1/endpoints/{ENDPOINT}/jobs?filename=input.txt&seconds={seconds}&callback={quoted}"
            return path, text.encode(), {**headers, "Content-Type": "text/plain"}, {"text": text}, random
        body = {"input": {"text": text}, "parameters": {"seconds": seconds}, "callback": self.callback}
        headers["Content-Type"] = "application/json"
        return f"/v1/endpoints/{ENDPOINT}/jobs", json.dumps(body), headers, body["input"], random

    def _submit(self, connection, request):
        """Says whether to try this request again, and whether the connection is still good."""
        path, body, headers, result, random = request
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            content = response.read()
            now = time.monotonic()
        except (OSError, http.client.HTTPException):
            with self.lock:
                self.tally.unanswered += 1
            return True, False
        with self.lock:
            if response.status == 202:
                self._note(json.loads(content)["id"], now, headers["Idempotency-Key"], result)
                # Now and then asked again: the key must lead to the same job.
                return random.random() < 0.03, True
            if response.status == 200:
                # It has ended before the request was repeated.
                self._note(json.loads(content)["id"], now, headers["Idempotency-Key"], result)
                return False, True
            if response.status in self.REFUSALS:
                self.tally.refused += 1
                return True, response.getheader("Connection", "").lower() != "close"
            self.tally.faults.append(f"a submit was answered with {response.status}: {content[:300]!r}")
            return False, False

    def _note(self, job, now, key, result):
        self.log.write(json.dumps({"job": job, "at": now, "round": self.round, "key": key}) + "\n")
        self.log.flush()
        known = self.by_key.setdefault(key, [])
        if any(other.id == job for other in known):
            return
        known.append(Accepted(job, now, self.round, result))
        self.accepted.append(known[-1])
