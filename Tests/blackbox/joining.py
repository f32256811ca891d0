"""A machine that joins over HTTPS, with a worker key and nothing else: real jobs end there, once each, while the gateway is killed, the
network is cut, the certificate and the agent are renewed and the key is revoked."""

import http.client
import http.server
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from _millrace import BINARY, DATA, FINAL, ROOT, SECRET, WEBHOOKS, Receiver, Server, free_port, recorded_once, wait_until

CONFIG = """
tls: {{ certificate: server.pem, key: server.key }}
lease: 3s
endpoints:
  classify:  {{ model: {root}/models/efficientnet-lite0, fleet: joined }}
  sentiment: {{ model: {root}/models/minilm-sentiment, fleet: joined }}
  slow:      {{ model: {root}/models/echo, fleet: joined }}
  hidden:    {{ model: {root}/models/fashion-trainer, fleet: joined }}
"""


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


class Authority:
    """A certificate authority of one's own, and the certificate of a server at 127.0.0.1."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "ca.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority",
            "-keyout", folder / "ca.key", "-out", self.file)
        (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")

    def issue(self):
        """A new key and certificate, each put in place in one step."""
        new = self.folder / "new"
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=server", "-keyout", f"{new}.key", "-out", f"{new}.csr")
        run("openssl", "x509", "-req", "-in", f"{new}.csr", "-CA", self.file, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", self.folder / "san", "-out", f"{new}.pem")
        os.replace(f"{new}.key", self.folder / "server.key")
        os.replace(f"{new}.pem", self.folder / "server.pem")


class TLSServer(Server):
    def __init__(self, authority):
        super().__init__(str(authority.folder / "millrace.yaml"), WEBHOOKS)
        self.context = ssl.create_default_context(cafile=authority.file)

    def call(self, method, path, body=None, headers=None, key="own"):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=70, context=self.context)
        try:
            headers = dict(headers or {})
            if key:
                headers["Authorization"] = f"Bearer {self.key if key == 'own' else key}"
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        finally:
            connection.close()

    def make_worker_key(self, name, *endpoints):
        options = [word for endpoint in endpoints for word in ("--endpoint", endpoint)]
        return run(BINARY, "keys", "create", "--worker", "--name", name, *options, "--data", self.data, env=self.environment, cwd=self.folder).strip()

    def revoke(self, name):
        for line in run(BINARY, "keys", "list", "--data", self.data, env=self.environment, cwd=self.folder).splitlines():
            if line.endswith(f"  {name}"):
                run(BINARY, "keys", "revoke", line.split()[0], "--data", self.data, env=self.environment, cwd=self.folder)


class Network:
    """The way between two machines, which can be cut."""

    def __init__(self, port):
        self.target = port
        self.port = free_port()
        self.connections = set()
        self.is_up = False
        self.restore()

    def restore(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.is_up = True
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        self.is_up = False
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self.connections):
            self._end(connection)

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.connections |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        except OSError:
            pass
        self._end(source)
        self._end(sink)

    def _end(self, connection):
        self.connections.discard(connection)
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()


class Machine:
    """Another machine: a folder of its own, and where this can be arranged (as root) without the server's data and the models."""

    def __init__(self, server, network, authority, key):
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-machine-"))
        self.hidden = [server.folder, ROOT / "models"]
        self.url = f"https://127.0.0.1:{network.port}"
        shutil.copy(authority.file, self.folder / "ca.pem")
        self.key_file = self.folder / "key"
        self.key_file.write_text(key + "\n")
        self.key_file.chmod(0o600)
        self.can_hide = os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
        self.process = None

    @property
    def name(self):
        return (self.folder / "data" / "machine-name").read_text().strip()

    def start(self, *options):
        command = [BINARY, "worker", "join", self.url, "--key-file", self.key_file, "--data", self.folder / "data", "--slots", "3",
                   *(options or ["--ca-file", self.folder / "ca.pem"])]
        if self.can_hide:
            mounts = "".join(f"mount -t tmpfs none '{folder}' && " for folder in self.hidden)
            command = ["unshare", "-m", "sh", "-c", f'mount --make-rprivate / && {mounts}exec "$@"', "sh", *command]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        environment["MILLRACE_ONNXRUNTIME"] = str(next((ROOT / ".venv/lib").glob("python3*/site-packages/onnxruntime/capi")))
        log = open(self.folder / "agent.log", "ab")
        self.process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=90)

    def log(self):
        return (self.folder / "agent.log").read_text(errors="replace")


def in_the_middle(server, job):
    def check():
        state = server.job(job)
        assert state["state"] not in FINAL, f"job {job} ended too soon; make it longer: {state}"
        return state["state"] == "running"
    wait_until(check, 60, "the job is in the middle", server)


def submit_slow(server, receiver):
    """A job that takes six seconds, however busy the machine is, and is running."""
    job = server.submit_json("slow", {"input": {"n": 1}, "parameters": {"seconds": 6}, "callback": receiver.url})["id"]
    in_the_middle(server, job)
    return job


def check_doors(server, key):
    """What a worker's key opens, and what opens the workers' doors."""
    report = b'{"machine":"m","run":"r","slots":{"cpu":0,"gpus":[]},"isDraining":false,"workers":[],"ended":[],"waitSeconds":0}'
    assert server.call("GET", "/v1/jobs", key=key)[0] == 401, "a worker's key must not open clients' doors"
    assert server.call("POST", "/v1/worker/machine", report, key="own")[0] == 401, "a client's key must not open workers' doors"
    assert server.call("POST", "/v1/worker/machine", report, key=None)[0] == 401
    assert server.call("GET", "/v1/worker/models/" + "0" * 64, key=key)[0] == 404
    version = server.json("GET", "/health")["settings"]["endpoints"]["hidden"]["modelVersion"]
    assert server.call("GET", f"/v1/worker/models/{version}", key=key)[0] == 404, "a key must not open models of other endpoints"


def check_refusals(machine):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        other.RequestHandlerClass.do_POST = lambda request: request.send_error(404)
        other.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=other.serve_forever, daemon=True).start()
        for scheme, words in (("https", "does not speak TLS"), ("http", "there is no Millrace server at")):
            ended = subprocess.run(
                [BINARY, "worker", "join", f"{scheme}://127.0.0.1:{other.server_port}", "--key-file", machine.key_file, "--data", machine.folder / "other"],
                cwd=machine.folder, capture_output=True, text=True, timeout=30)
            assert ended.returncode != 0 and words in ended.stderr, ended
        other.shutdown()
    plain = subprocess.run([BINARY, "worker", "join", "http://192.0.2.1:8080", "--key-file", machine.key_file, "--data", machine.folder / "other"],
                           cwd=machine.folder, capture_output=True, text=True)
    assert plain.returncode != 0 and "not encrypted" in plain.stderr, plain
    machine.start("--name", "distrustful")
    assert machine.process.wait(timeout=20) != 0 and "is not trusted" in machine.log() and "--ca-file" in machine.log(), machine.log()[-3000:]
    (machine.folder / "agent.log").unlink()


def check_twin(server, network, authority, machine, machines, receiver):
    """A second agent under the name of the first is refused while that one is heard, takes over when it has stopped, and gets a new key."""
    twin = Machine(server, network, authority, server.make_worker_key("twin"))
    machines.append(twin)
    twin.start("--name", machine.name, "--ca-file", twin.folder / "ca.pem")
    wait_until(lambda: "another agent speaks for the machine" in twin.log(), 20, "the twin is refused", server)
    jobs = [submit_slow(server, receiver)]
    done = server.wait(jobs[0], seconds=240)
    assert done["attempt"] == 1 and done["crashes"] == 0 and "starting a worker" not in twin.log(), f"the twin disturbs the first: {done}"
    assert machine.stop() == 0, machine.log()[-3000:]
    wait_until(lambda: "the gateway is there again" in twin.log(), 40, "the twin has taken over", server)
    # The report that is under way has the old key still; the worker that is ordered with its answer gets the new one.
    twin.key_file.write_text(server.make_worker_key("renewed") + "\n")
    server.revoke("twin")
    jobs.append(submit_slow(server, receiver))
    done = server.wait(jobs[1], seconds=240)
    assert done["attempt"] == 1 and twin.log().count("starting a worker") == 1 and twin.process.poll() is None, f"a change of key costs nothing: {done}"
    assert twin.stop() == 0, twin.log()[-3000:]
    print("a second agent of the name was refused, then took over, and its key was changed", flush=True)
    return jobs


def serial(server):
    return ssl.get_server_certificate(("127.0.0.1", server.port))


def results(server, job):
    status, _, content = server.call("GET", f"/v1/jobs/{job}/result")
    assert status == 200, content
    return content


def main():
    folder = Path(tempfile.mkdtemp(prefix="millrace-authority-"))
    authority = Authority(folder)
    authority.issue()
    (folder / "millrace.yaml").write_text(CONFIG.format(root=ROOT))
    machines = []
    with TLSServer(authority) as server:
        try:
            walk(server, authority, machines)
        except BaseException:
            for machine in machines:
                print(f"--- agent at {machine.folder}:\n{machine.log()[-12000:]}")
            print(f"--- server:\n{server.log()}")
            raise
        finally:
            for machine in machines:
                if machine.process and machine.process.poll() is None:
                    machine.stop()


def walk(server, authority, machines):
    receiver = Receiver(SECRET)
    fields = {"callback": receiver.url}
    key = server.make_worker_key("first", "classify", "sentiment", "slow")
    check_doors(server, key)
    network = Network(server.port)
    machine = Machine(server, network, authority, key)
    machines.append(machine)
    print("the machine does not see the server's files" if machine.can_hide else "not root: the machine could see the server's files", flush=True)
    check_refusals(machine)

    photos = sorted((DATA / "photos").glob("*.jpg"))
    waiting = server.submit_files("classify", photos[:1])["id"]
    wait_until(lambda: "no machine has joined" in (server.json("GET", "/v1/endpoints/classify").get("problem") or ""), 20, "the endpoint says why its worker does not start", server)
    machine.start()
    server.wait(waiting)
    jobs = [server.submit_files("classify", photos[:4], fields)["id"], server.submit_files("sentiment", [DATA / "comments-1000.csv"], fields)["id"]]
    for job in jobs:
        server.wait(job, seconds=240)
    assert {worker["instance"].split(":")[0] for worker in server.workers()} == {"joined"}, server.workers()
    assert results(server, jobs[1]).count(b"\n") > 1000
    assert machine.log().count("fetched a model") == 2, machine.log()
    print("jobs end on the joined machine", flush=True)

    job = server.submit_files("sentiment", [DATA / "comments-1000.csv"], fields)["id"]
    in_the_middle(server, job)
    server.kill()
    server.start()
    done = server.wait(job, seconds=240)
    assert done["attempt"] == 1 and done["crashes"] == 0, f"a restart of the gateway must cost nothing: {done}"
    jobs.append(job)
    print("the gateway was killed and started again", flush=True)

    job = submit_slow(server, receiver)
    network.cut()
    time.sleep(1)
    network.restore()
    done = server.wait(job, seconds=240)
    assert done["attempt"] == 1 and done["crashes"] == 0, f"a short cut must cost nothing: {done}"
    jobs.append(job)
    job = submit_slow(server, receiver)
    network.cut()
    wait_until(lambda: server.job(job)["state"] == "queued", 30, "the lease has expired", server)
    network.restore()
    server.wait(job, seconds=240)
    jobs.append(job)
    print("the network was cut for a moment, and for longer than a lease", flush=True)

    before = serial(server)
    authority.issue()
    wait_until(lambda: serial(server) != before, 30, "the new certificate is shown", server)
    job = server.submit_files("classify", photos[:2], fields)["id"]
    server.wait(job, seconds=240)
    jobs.append(job)
    print("the certificate was renewed", flush=True)

    jobs += check_twin(server, network, authority, machine, machines, receiver)
    fetched = machine.log().count("fetched a model")
    wait_until(lambda: not server.workers(), 30, "its workers are gone", server)
    machine.start()
    job = submit_slow(server, receiver)
    assert machine.log().count("fetched a model") == fetched == 3, "models must not be fetched again"
    print("the agent was started again, and has its models", flush=True)

    server.wait(job, seconds=240)
    jobs.append(job)
    job = submit_slow(server, receiver)
    machine.process.kill()
    machine.process.wait()
    machine.start()
    done = server.wait(job, seconds=240)
    assert done["attempt"] == 1 and done["crashes"] == 0, f"a worker outlives its agent: {done}"
    jobs.append(job)
    job = submit_slow(server, receiver)
    print("the agent was killed and started again", flush=True)

    server.revoke("first")
    assert machine.process.wait(timeout=90) != 0
    assert "this worker key is not valid" in machine.log(), machine.log()[-3000:]
    assert server.job(job)["state"] not in FINAL, "a worker with a revoked key must not end a job"
    second = server.make_worker_key("second")
    other = Machine(server, network, authority, second)
    machines.append(other)
    other.start()
    server.wait(job, seconds=240)
    jobs.append(job)
    print("the key was revoked, and another machine ended the job", flush=True)

    for job in jobs:
        recorded_once(server, receiver, job)
    said = machine.log() + other.log() + (server.folder / "server.log").read_text()
    assert key not in said and second not in said, "a key is in a log"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert second.encode() not in path.read_bytes(), f"the key is in {path}"
        except OSError:
            pass
    assert other.stop() == 0, other.log()[-3000:]


main()
