"""A client of HTTP/1.1 in as little Python as possible: what it spends of the machine, the server it measures lacks."""

import json
import socket
from collections import deque
from concurrent.futures import ThreadPoolExecutor


class Connection:
    """One connection, opened when it is first needed and then kept."""

    def __init__(self, port, timeout=300):
        self.port, self.timeout = port, timeout
        self.socket = self.reader = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.socket is not None:
            self.reader.close()
            self.socket.close()
            self.socket = self.reader = None

    def call(self, method, path, body=b"", **headers):
        """The status and the bytes of the answer. `content_type="text/csv"` sends a header `content-type`."""
        if self.socket is None:
            self._open()
        fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n{fields}\r\n"
        try:
            self.socket.sendall(head.encode() + body)
            return self._answer(f"{method} {path}")
        except BaseException:
            self.close()
            raise

    def wanted(self, status, method, path, body=b"", **headers):
        """The bytes of an answer that must have this status."""
        answered, content = self.call(method, path, body, **headers)
        if answered != status:
            raise RuntimeError(f"{method} {path} answered {answered}: {content[:300]!r}")
        return content

    def get(self, path):
        """The JSON of a path."""
        return json.loads(self.wanted(200, "GET", path))

    def _open(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def _answer(self, what):
        start = self.reader.readline()
        if not start:
            raise ConnectionError(f"{what}: the server closed the connection")
        length = None
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        if length is None:
            raise RuntimeError(f"{what}: an answer without a length")
        content = self.reader.read(length)
        if len(content) < length:
            raise ConnectionError(f"{what}: the answer ended after {len(content)} of {length} bytes")
        return int(start.split(None, 2)[1]), content


def in_parallel(port, connections, things, action, bar=None):
    """What `action(connection, thing)` gives for each of a list of things, in their order, over several connections."""
    answers = [None] * len(things)
    waiting = deque(enumerate(things))

    def one_after_another():
        with Connection(port) as connection:
            while (next_one := taken(waiting)) is not None:
                number, thing = next_one
                answers[number] = action(connection, thing)
                if bar:
                    bar.step()

    with ThreadPoolExecutor(connections) as pool:
        threads = [pool.submit(one_after_another) for _ in range(connections)]
        try:
            for thread in threads:
                thread.result()
        except BaseException:
            # The others need not go on.
            waiting.clear()
            raise
    return answers


def taken(waiting):
    try:
        return waiting.popleft()
    except IndexError:
        return None
