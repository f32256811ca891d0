"""The few calls of the public HTTP API that the demo makes."""

import http.client
import json
import mimetypes
import uuid

from .server import DemoFailure

_TIMEOUT_SECONDS = 30


class API:
    def __init__(self, server):
        self._server = server

    def submit_files(self, endpoint, paths, parameters=None):
        """A multipart submission: file parts named `file`, parameters as fields."""
        boundary = uuid.uuid4().hex
        body = b"".join(_field(boundary, name, str(value)) for name, value in (parameters or {}).items())
        body += b"".join(_file(boundary, path) for path in paths) + f"--{boundary}--\r\n".encode()
        return self._submit(endpoint, body, f"multipart/form-data; boundary={boundary}")

    def submit_json(self, endpoint, parameters):
        return self._submit(endpoint, json.dumps({"parameters": parameters}).encode(), "application/json")

    def job(self, identifier):
        return json.loads(self._call("GET", f"/v1/jobs/{identifier}"))

    def result(self, identifier, name=None):
        """The bytes of a job's primary output, or of a named one."""
        return self._call("GET", f"/v1/jobs/{identifier}/result" + (f"/{name}" if name else ""))

    def workers(self):
        return json.loads(self._call("GET", "/v1/workers"))["workers"]

    def _submit(self, endpoint, body, media_type):
        headers = {"Content-Type": media_type}
        return json.loads(self._call("POST", f"/v1/endpoints/{endpoint}/jobs", body, headers, expected=202))

    def _call(self, method, path, body=None, headers=None, expected=200):
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self._server.key}", **(headers or {})})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._server.check_alive()
            raise DemoFailure(f"{method} {path}: {error!r}") from None
        finally:
            connection.close()
        if response.status != expected:
            raise DemoFailure(f"{method} {path} answered {response.status}: {content[:500].decode('utf-8', 'replace')}")
        return content


def _field(boundary, name, value):
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _file(boundary, path):
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
    return f"{head}Content-Type: {media_type}\r\n\r\n".encode() + path.read_bytes() + b"\r\n"
