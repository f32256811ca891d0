import shutil

from benchkit.bench import Bench, main

from .engine import Engine, deep, idle
from .latency import latency
from .millrace import Server
from .rivals import RIVALS, Rivals
from .settings import QueueSettings
from .table import print_queue_table


class QueueBench(Bench):
    repeated = ("rivals", "bulk", "single", "latency", "engine")
    single = ("deep", "idle")

    def __init__(self, settings):
        super().__init__(settings)
        self.rivals = Rivals(settings)
        self.engine = None

    def print_table(self):
        print_queue_table(self.figures, self.settings)

    def run_rivals(self, _):
        for rival in RIVALS:
            self.figures.add(rival.name, self.rivals.run(rival)["endToEnd"])

    def run_bulk(self, number):
        data = self.fresh("bulk", number)
        with Server(self.settings, data) as server:
            server.run("bulk", 2000, connections=4, batch=500)
            answer = server.run("bulk", max(int(150_000 * self.settings.scale), 2000), connections=4, batch=1000)
        self.keep("bulk", answer, data)

    def run_single(self, number):
        data = self.fresh("single", number)
        with Server(self.settings, data) as server:
            server.run("single", 1000, connections=64)
            answer = server.run("single", max(int(40_000 * self.settings.scale), 1000), connections=64)
        self.keep("single", answer, data)

    def keep(self, name, answer, data):
        self.figures.add(name, answer["endToEnd"])
        self.figures.add(f"{name}_submit", answer["submit"])
        shutil.rmtree(data)

    def run_latency(self, number):
        data = self.fresh("latency", number)
        answer = latency(self.settings, data)
        for name in ("p50", "p99"):
            self.figures.add(f"latency_{name}", answer[name])
            for mark in ("fsync", "tcp", "unix"):
                self.figures.add(f"{mark}_{name}", answer[mark][name])
            self.figures.add(f"{name}_ratio", answer[f"{name}_ratio"])
        self.figures.add("late", answer["late"])
        shutil.rmtree(data)

    def run_engine(self, _):
        self.engine = self.engine or Engine(self.settings)
        swift, plain = self.engine.run()
        self.figures.add("engine", swift)
        self.figures.add("c", plain)

    def run_deep(self):
        answer = deep(self.settings)
        for name in ("shallow", "deep"):
            for value in answer[name]:
                self.figures.add(name, value)
        self.figures.add("deep_engine_mb", answer["memoryMB"])
        self.figures.add("deep_server_mb", answer["serverMB"])

    def run_idle(self):
        answer = idle(self.settings)
        self.figures.add("idle_mb", answer["mb"])
        self.figures.add("idle_cpu", answer["cpu_percent"])


main(QueueBench, QueueSettings.read())
