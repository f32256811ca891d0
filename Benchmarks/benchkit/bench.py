"""How a benchmark runs: every part once, then all again, so that no part alone meets the machine's noisy moments."""

import os
import shutil
import signal
import sys
import time

from .table import Figures

#: The load average under which a machine counts as quiet.
QUIET = 0.7


class Bench:
    #: Parts that every run measures again, and parts that measure by themselves how often they like. Each is a method
    #: `run_NAME`; those of `repeated` are given the number of the run.
    repeated = ()
    single = ()

    def __init__(self, settings):
        self.settings = settings
        self.figures = Figures()

    def run(self):
        load = os.getloadavg()[0]
        if load > QUIET:
            self.say(f"something else is at work on this machine (load {load:.1f}): the figures will say little")
        for number in range(1, self.settings.runs + 1):
            for name in self.chosen(self.repeated):
                self.say(f"run {number} of {self.settings.runs}: {name}")
                self.part(name)(number)
        for name in self.chosen(self.single):
            self.say(name)
            self.part(name)()
        self.print_table()

    def chosen(self, names):
        return [name for name in names if name in self.settings.parts]

    def part(self, name):
        return getattr(self, f"run_{name}")

    def print_table(self):
        raise NotImplementedError

    def fresh(self, name, number):
        """A name in this benchmark's folder that no other run has."""
        return self.settings.folder / f"{name}-{number}"

    @staticmethod
    def say(text):
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main(bench, settings):
    """Runs a benchmark; what it wrote is kept when it fails."""
    # Asked to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        bench(settings).run()
    except BaseException:
        print(f"What was written is kept in {settings.folder}", file=sys.stderr)
        raise
    shutil.rmtree(settings.folder)
