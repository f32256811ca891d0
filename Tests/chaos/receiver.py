"""A receiver of webhooks that writes down every delivery before it answers."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from dataclasses import dataclass

from host import SECRET


@dataclass
class Delivery:
    at: float
    webhook: str
    job: str
    state: str
    fault: str | None
    taken: bool
    """Whether it was answered with 204."""


class Receiver:
    def __init__(self, log):
        self.log, self.lock, self.by_job, self.count = log, threading.Lock(), {}, 0
        self.secret = base64.b64decode(SECRET.removeprefix("whsec_"))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(outer.receive(self.headers, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Endpoint(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                # A sender that was killed in the middle of its message.
                pass

        self.server = Endpoint(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/done"

    def receive(self, headers, body):
        at = time.monotonic()
        message = json.loads(body)
        job, state = message["data"]["id"], message["data"]["state"]
        text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(self.secret, text, hashlib.sha256).digest()).decode()
        fault = None if wanted in headers["webhook-signature"].split(" ") else "its signature is wrong"
        with self.lock:
            known = self.by_job.setdefault(job, [])
            # Some first messages are refused, so that repeats are seen in every round.
            taken = bool(known) or not job.endswith(("00", "7f"))
            known.append(Delivery(at, headers["webhook-id"], job, state, fault, taken))
            self.count += 1
            self.log.write(json.dumps({"job": job, "webhook": headers["webhook-id"], "state": state, "at": at}) + "\n")
            self.log.flush()
            return 204 if taken else 503

    def of(self, job):
        with self.lock:
            return list(self.by_job.get(job, []))

    def forget_between(self, begin, end):
        """What a server sent after the moment at which its power is said to have failed was never sent."""
        with self.lock:
            for deliveries in self.by_job.values():
                deliveries[:] = [delivery for delivery in deliveries if not begin <= delivery.at < end]
