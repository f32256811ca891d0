"""The queue without HTTP and workers: beside a C loop over SQLite, with a deep queue, and at rest."""

import os
import shutil
import time

from benchkit.processes import answer_of

from .millrace import Server


class Engine:
    """Jobs a second through the store facade, and by the statements that it ran, with their values, in C.

    Each run begins with a copy of the same store file, in which there is nothing but a worker."""

    def __init__(self, settings):
        self.settings = settings
        self.jobs = max(int(100_000 * settings.scale), 2000) // settings.batch * settings.batch
        self.fresh = settings.folder / "fresh.sqlite"
        self.recording = settings.folder / "recording"
        answer_of((settings.bench, "create", "--path", self.fresh))
        # Not measured: writing the statements down takes time.
        recorder = self.settings.built / "statement_recorder.so"
        self._swift({**os.environ, "LD_PRELOAD": str(recorder), "RECORDING": str(self.recording)})

    def run(self):
        swift = self._swift()
        plain = answer_of((self.settings.built / "sqlite_loop", self._copy(), self.recording, self.jobs))
        return swift["rate"], plain["rate"]

    def _swift(self, environment=None):
        arguments = ("--jobs", self.jobs, "--batch", self.settings.batch)
        return answer_of((self.settings.bench, "engine", "--path", self._copy(), *arguments), env=environment)

    def _copy(self):
        path = self.fresh.with_name("engine.sqlite")
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return shutil.copyfile(self.fresh, path)


def deep(settings):
    """Lease rates with a shallow and a deep queue, and a server's memory on the deep one while workers take from it."""
    data = settings.folder / "deep"
    data.mkdir()
    shallow = settings.folder / "shallow.sqlite"
    stores = ("--shallow", shallow, "--deep", data / "millrace.sqlite")
    sizes = ("--jobs", settings.deep, "--rounds", settings.runs, "--batch", settings.batch)
    measured = answer_of((settings.bench, "deep", *stores, *sizes), seconds=4 * 3600)
    with Server(settings, data) as server:
        before = server.succeeded()
        server.submit("bulk", 10_000, connections=2, batch=1000)
        time.sleep(15)
        if server.succeeded() == before:
            raise RuntimeError("in 15 s no worker finished a job of the deep queue")
        measured["serverMB"] = server.memory_mb(most=True)
    shutil.rmtree(data)
    return measured


def idle(settings):
    """Memory and share of one core of a server that has nothing to do and no workers."""
    with Server(settings, settings.folder / "idle", workers=0) as server:
        time.sleep(10)
        before, start = server.cpu_ticks(), time.monotonic()
        time.sleep(30)
        seconds = (server.cpu_ticks() - before) / os.sysconf("SC_CLK_TCK")
        return {"mb": server.memory_mb(), "cpu_percent": 100 * seconds / (time.monotonic() - start)}
