"""A model server of the standard library: GET /ping says that it is ready, POST /invocations describes a table.

Put your framework's server in its place: whatever speaks these two addresses, in any language, can be a model.
"""

import csv
import io
import json
import statistics
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def describe(table, decimals):
    """Of each column: how many values, and what they are like."""
    rows = list(csv.DictReader(io.StringIO(table)))
    if not rows:
        raise ValueError("the table has no rows")
    return {"rows": len(rows), "columns": {name: column([row[name] or "" for row in rows], decimals) for name in rows[0] if name}}


def column(values, decimals):
    try:
        numbers = [float(value) for value in values if value]
    except ValueError:
        return {"type": "text", "different": len(set(values)), "longest": max(map(len, values))}
    if not numbers:
        return {"type": "empty"}
    described = {"mean": statistics.fmean(numbers), "median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}
    return {"type": "number", **{name: round(value, decimals) for name, value in described.items()}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/invocations":
            return self.answer(404)
        # The job's parameters.
        parameters = json.loads(self.headers.get("X-Amzn-SageMaker-Custom-Attributes", "{}"))
        try:
            table = json.loads(body)["table"] if self.headers["Content-Type"] == "application/json" else body.decode("utf-8")
            self.answer(200, describe(table, parameters.get("decimals", 3)))
        except (ValueError, KeyError, TypeError) as error:
            self.answer(400, {"error": f"this is no table: {error}"})

    def answer(self, status, content=None):
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Without a line for every request."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
