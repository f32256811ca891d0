"""A model server that does what its input says: server.py PORT [MODE [GATE]]. Standard library only."""

import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = sys.argv[2] if len(sys.argv) > 2 else ""
GATE = sys.argv[3] if len(sys.argv) > 3 else ""

counts = {"answered": 0, "hanging": 0}
changed = threading.Condition()


def say(text):
    print(text, flush=True)


def count(name):
    with changed:
        counts[name] += 1
        changed.notify_all()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if MODE == "slow" and not os.path.exists(GATE):
            say(f"waiting for {GATE}")
            return self.answer(503, b"not yet")
        if MODE == "unready":
            return self.answer(503, b"never")
        known = {"/ping", "/v2/health/ready", "/v2/models/iris/ready", "/v2/models/iris/versions/3/ready"}
        self.answer(200 if self.path in known else 404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        kind = self.headers["Content-Type"]
        if self.path.startswith("/v2/models/iris"):
            return self.infer(body)
        if kind != "application/json":
            return self.answer(200, body, kind or "text/x-none")
        order = json.loads(body)
        name = order[0] if isinstance(order, list) else order
        action = getattr(self, "do_" + str(name).replace(" ", "_"), None) if isinstance(name, str) else None
        action(order) if action else self.answer_json({"echo": order})

    def infer(self, body):
        request = json.loads(body)
        if "inputs" not in request:
            return self.answer(400, json.dumps({"error": "no inputs"}).encode(), "application/json")
        self.answer_json({"path": self.path, "request": request})

    def do_headers(self, _):
        self.answer_json({name.lower(): value for name, value in self.headers.items()})

    def do_pid(self, _):
        self.answer_json(os.getpid())

    def do_status(self, order):
        _, status, text, *more = order
        self.answer(status, text.encode(), "text/plain", dict(more))

    def do_body(self, order):
        _, kind, size = order
        self.answer(200, b"x" * size, kind)

    def do_exit(self, order):
        """Ends the process once so many others were answered, and so many hang."""
        wanted = order[1] if isinstance(order, list) else {}
        with changed:
            changed.wait_for(lambda: all(counts[name] >= number for name, number in wanted.items()))
        print("it hurts", file=sys.stderr, flush=True)
        os._exit(5)

    def do_last_word(self, _):
        self.answer_json("bye")
        os._exit(0)

    def do_break(self, _):
        """The connection breaks; the server goes on."""
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def do_half(self, _):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half of")
        self.wfile.flush()
        self.do_break(None)

    def do_hang(self, _):
        """Never answers; says when the other side has left."""
        say("hanging")
        count("hanging")
        while self.connection.recv(1):
            pass
        say("the client is gone")
        self.close_connection = True

    def answer_json(self, value):
        self.answer(200, json.dumps(value).encode(), "application/json")

    def answer(self, status, body, kind=None, headers={}):
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self.command == "POST":
            count("answered")

    def log_message(self, *_):
        pass


def main():
    if MODE == "die":
        print("Traceback: no weights", file=sys.stderr, flush=True)
        sys.exit(3)
    if MODE == "silent":
        say("silent")
        time.sleep(600)
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    say(f"listening on {server.server_port}, PORT={os.environ.get('PORT')}, secret={os.environ.get('SECRET')}")
    server.serve_forever()


main()
