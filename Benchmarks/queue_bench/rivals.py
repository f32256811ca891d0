"""The rivals, each run as its documentation recommends, over one Redis that keeps nothing on disk."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchkit.processes import Service, answer_of, free_port, wait_until

SCRIPTS = Path(__file__).resolve().parent.parent / "rivals"


@dataclass
class Rival:
    name: str
    #: The program and its arguments.
    worker: tuple
    jobs: int


RIVALS = [
    Rival("celery", ("celery", "-A", "celery_app", "worker", "-c", "2", "-P", "prefork", "--loglevel=ERROR"), 5000),
    Rival("dramatiq", ("dramatiq", "dramatiq_app", "-p", "2", "-t", "8"), 15000),
    Rival("saq", ("saq", "saq_app.settings"), 7000),
]


class Rivals:
    def __init__(self, settings):
        self.settings = settings
        self.port = free_port()
        self.environment = {
            **os.environ,
            "BENCH_REDIS_PORT": str(self.port),
            "PYTHONPATH": str(SCRIPTS),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, rival):
        """Jobs a second, submitted and end to end."""
        folder = self.settings.folder
        with Service(
            (
                "redis-server",
                "--port",
                self.port,
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
                folder,
            ),
            folder,
            "redis",
        ) as redis:
            wait_until(self._redis_answers, 20, "Redis answers")
            redis.check()
            program, *arguments = rival.worker
            with Service(
                (self.settings.python.parent / program, *arguments), folder, rival.name, self.environment
            ) as worker:
                # The first few are for warming up.
                self._submit(rival, 200)
                worker.check()
                return self._submit(rival, max(int(rival.jobs * self.settings.scale), 500))

    def _submit(self, rival, count):
        script = SCRIPTS / f"{rival.name}_run.py"
        return answer_of((self.settings.python, script, count), seconds=300, env=self.environment)

    def _redis_answers(self):
        import redis

        try:
            return redis.Redis(port=self.port).ping()
        except redis.ConnectionError:
            return False
