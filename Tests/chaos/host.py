"""The server under test: on its own small disk, with what is loaded into it, and its workers."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "blackbox"))

from _millrace import FINAL, SECRET, Server, wait_until  # noqa: E402

ENDPOINT = "crash"
LEASE = 1.0
# What the jobs run on is said here alone.
MODEL = HERE / "model"
SETTINGS = """\
lease: 1s
webhooks: {{ allowedHosts: [127.0.0.1] }}
endpoints:
  {endpoint}:
    model: {model}
    batching: {{ itemsMax: 8, waitMax: 5ms }}
    retry: {{ attemptsMax: 10, crashesMax: 50, backoffBase: 100ms, backoffMax: 500ms }}
    scaling: {{ min: 2, max: 2, idle: 10m }}
"""


class Host(Server):
    def __init__(self, disk_bytes):
        super().__init__(config="unused", environment={"MILLRACE_WEBHOOK_SECRET": SECRET})
        self.settings = self.folder / "millrace.yaml"
        self.settings.write_text(SETTINGS.format(endpoint=ENDPOINT, model=MODEL))
        self.config = str(self.settings)
        self.disk = Disk(self.folder / "disk", disk_bytes)
        self.data = self.disk.path / "data"
        self.plain = dict(self.environment)
        self.starts = 0

    def use(self, variables):
        """What the next server and its workers find in their environment beside the usual."""
        self.environment = {**self.plain, **variables}

    def start(self):
        super().start()
        self.starts += 1

    def workers_running(self):
        """The workers on this data directory, whoever started them: process ids, the oldest first."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                words = _read(f"/proc/{entry}/cmdline").split(b"\0")
                if b"worker" in words and str(self.data).encode() in words:
                    found.append(int(entry))
        return sorted(found)

    def signal_worker(self, number, random):
        """Sends a signal to one worker by chance; None when there is none."""
        workers = self.workers_running()
        if not workers:
            return None
        worker = random.choice(workers)
        return worker if _signal(worker, number) else None

    def signal_server(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill_workers(self):
        for worker in self.workers_running():
            _signal(worker, signal.SIGKILL)

    def kill_everything(self):
        """The machine is gone: server, workers and their handlers, within moments."""
        workers = self.workers_running()
        handlers = [child for worker in workers for child in _children(worker)]
        self.kill()
        for process in workers + self.workers_running() + handlers:
            _signal(process, signal.SIGKILL)
        wait_until(lambda: not self.workers_running(), 10, "all workers are gone")

    def data_bytes(self):
        """What the server has written so far: after a power cut there are two of it for a moment."""
        total = 0
        for folder, _, names in os.walk(self.data):
            for name in names:
                # A running server also removes files.
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total

    def resume_all(self):
        self.signal_server(signal.SIGCONT)
        for worker in self.workers_running():
            _signal(worker, signal.SIGCONT)

    def close(self):
        if self.process and self.process.poll() is None:
            self.resume_all()
            self.kill_everything()
        self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Disk:
    """A folder, on a small file system of its own where this process may mount one."""

    def __init__(self, path, size):
        self.path, self.size = path, size
        path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "millrace-chaos", str(path)]
        self.is_own = subprocess.run(mount, capture_output=True).returncode == 0
        self.filler = path / "filler"

    def free(self):
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def make_room(self, wanted):
        """The jobs of many rounds gather here: the disk grows with them."""
        if self.is_own and self.free() < wanted:
            self.size += wanted - self.free()
            subprocess.run(["mount", "-o", f"remount,size={self.size}", str(self.path)], check=True)

    def fill(self, left):
        with open(self.filler, "ab") as file:
            # Others write meanwhile, so what is free shrinks between the question and the answer.
            while (wanted := self.free() - left) > 0:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), wanted)
                except OSError:
                    time.sleep(0.01)
                    continue

    def empty(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        if self.is_own:
            subprocess.run(["umount", "-l", str(self.path)], check=False)


def _children(process):
    found = []
    for thread in os.listdir(f"/proc/{process}/task") if os.path.exists(f"/proc/{process}/task") else []:
        for child in _read(f"/proc/{process}/task/{thread}/children").split():
            found += [int(child), *_children(int(child))]
    return found


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _signal(process, number):
    try:
        os.kill(process, number)
        return True
    except ProcessLookupError:
        return False
