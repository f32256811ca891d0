"""How far something is, on a terminal."""

import sys


class ProgressBar:
    """A bar on standard error; nothing where that is no terminal. It may be told its count from any thread."""

    def __init__(self, what, total):
        self.what, self.total = what, total
        self.done = 0
        self.percent = -1

    def step(self):
        self.show(self.done + 1)

    def show(self, done):
        self.done = done
        percent = done * 100 // max(self.total, 1)
        if percent == self.percent or not sys.stderr.isatty():
            return
        self.percent = percent
        bar = "#" * (percent // 2) + "." * (50 - percent // 2)
        end = "\n" if done == self.total else ""
        sys.stderr.write(f"\r{self.what} {bar} {done} of {self.total}{end}")
        sys.stderr.flush()
