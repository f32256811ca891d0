"""Live progress of several jobs: one line each, redrawn in place on a terminal; plain lines, and fewer, elsewhere."""

import shutil
import sys
import time

_BAR_WIDTH, _PLAIN_SECONDS = 24, 2.0
FINAL_STATES = ("succeeded", "failed", "cancelled", "expired")


class Board:
    def __init__(self, titles):
        self._titles = titles
        self._drawn = False
        self._said = {}

    def show(self, jobs):
        """`jobs` are job resources in the order of the titles."""
        if sys.stdout.isatty():
            self._redraw(jobs)
        else:
            for title, job in zip(self._titles, jobs):
                self._say(title, job)

    def _redraw(self, jobs):
        width = shutil.get_terminal_size().columns - 1
        if self._drawn:
            sys.stdout.write(f"\x1b[{len(jobs)}A")
        for title, job in zip(self._titles, jobs):
            sys.stdout.write(f"\x1b[2K{_line(title, job)[:width]}\n")
        sys.stdout.flush()
        self._drawn = True

    def _say(self, title, job):
        """A line when the state changes, and every few seconds when the progress does."""
        line, now = _line(title, job), time.monotonic()
        state, said, at = self._said.get(title, (None, None, 0))
        if job["state"] != state or (line != said and now - at >= _PLAIN_SECONDS):
            print(line, flush=True)
            self._said[title] = (job["state"], line, now)


def bar(part, width):
    """A bar of plain characters for a part of 1."""
    full = round(max(0.0, min(1.0, part)) * width)
    return "#" * full + "." * (width - full)


def _line(title, job):
    progress = job.get("progress") or {}
    done, total = progress.get("done") or 0, progress.get("total")
    part = 1.0 if job["state"] == "succeeded" else done / total if total else 0.0
    return f"  {title:<10} [{bar(part, _BAR_WIDTH)}] {job['state']:<9} {_count(progress)}{_note(job)}".rstrip()


def _count(progress):
    if not progress.get("total"):
        return ""
    return f"{_number(progress['done'])}/{_number(progress['total'])} {progress.get('unit') or ''} "


def _number(value):
    return str(int(value)) if value == int(value) else f"{value:.1f}"


def _note(job):
    if job.get("error"):
        return f"{job['error']['code']}: {job['error']['message']}"
    message = (job.get("progress") or {}).get("message")
    return f"({message})" if message and job["state"] == "running" else ""
