"""Programs that run for a while, and those that answer with a line of JSON."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what, every=0.02):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds} s in vain until {what}")
        time.sleep(every)


class Service:
    """A process that is started, used and ended: asked to end, then killed, by its own process id."""

    def __init__(self, arguments, folder, name, environment=None, cwd=None):
        """Its log is NAME.log in the folder, which is also where it runs unless `cwd` says otherwise."""
        self.log = Path(folder) / f"{name}.log"
        self.name = name
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in arguments],
                cwd=cwd or folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            # With what it started: the session has its process id.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def check(self):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text(errors='replace')[-4000:]}"
            )

    def memory_mb(self, most=False):
        """What of it is in memory now, or the most that ever was."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        return int(fields["VmHWM" if most else "VmRSS"].split()[0]) / 1024

    def cpu_ticks(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])


def answer_of(arguments, seconds=900, **options):
    """Runs a program and reads the JSON it prints last."""
    done = subprocess.run(
        [str(part) for part in arguments], stdout=subprocess.PIPE, timeout=seconds, check=False, **options
    )
    lines = done.stdout.decode().strip().splitlines()
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {done.returncode}: {lines[-1:]}")
    return json.loads(lines[-1])
