"""What the demo does, in order."""

import sys
import time

from . import report
from .api import API
from .progress import FINAL_STATES, Board
from .server import ROOT, DemoFailure

DATA = ROOT / "Examples" / "data"
PDF = DATA / "report" / "medical-report-4pages.pdf"
PHOTOS = sorted((DATA / "photos").iterdir())
COMMENTS = DATA / "comments-1000.csv"

TITLES = ("ocr", "classify", "sentiment", "train")
_JOBS_SECONDS, _EMPTY_SECONDS, _POLL_SECONDS = 240, 120, 0.2


def run(server):
    api = API(server)
    print(f"Millrace is up; its API is at {server.address}/v1 while this runs. No worker is there yet.")
    report.heading("Four jobs go in")
    identifiers = submit(api)
    jobs = watch(api, identifiers)
    show(api, jobs)
    report.heading("How long it took")
    report.timings(TITLES, jobs)
    wait_for_no_workers(api)


def submit(api):
    jobs = [
        api.submit_files("ocr", [PDF]),
        api.submit_files("classify", PHOTOS, {"topK": 3}),
        api.submit_files("sentiment", [COMMENTS]),
        api.submit_json("train", {"epochs": 4, "trainSamples": 30_000}),
    ]
    return [job["id"] for job in jobs]


def watch(api, identifiers):
    """Follows the jobs to their end. Raises ``DemoFailure`` unless all succeed."""
    board, deadline = Board(TITLES), time.monotonic() + _JOBS_SECONDS
    while True:
        jobs = [api.job(identifier) for identifier in identifiers]
        board.show(jobs)
        if all(job["state"] in FINAL_STATES for job in jobs):
            break
        if time.monotonic() > deadline:
            raise DemoFailure(f"the jobs did not end within {_JOBS_SECONDS} s")
        time.sleep(_POLL_SECONDS)
    for title, job in zip(TITLES, jobs):
        if job["state"] != "succeeded":
            error = job.get("error") or {}
            hint = f" ({error['hint']})" if error.get("hint") else ""
            raise DemoFailure(f"{title} {job['state']}: {error.get('code')}: {error.get('message')}{hint}")
    return jobs


def show(api, jobs):
    ocr, classify, sentiment, train = jobs
    report.heading("The pages of the report (OCR)")
    report.pages(api.result(ocr["id"], "result.json"), expected=4)
    report.heading("What the photos show")
    report.photos(api.result(classify["id"]), expected=len(PHOTOS))
    report.heading("What people think of it (sentiment)")
    report.comments(api.result(sentiment["id"]), expected=1000)
    report.heading("A classifier trained on the spot")
    report.training(api.result(train["id"]), train["outputs"][1:])


def wait_for_no_workers(api):
    """Scaling to zero: idle workers are sent home."""
    print("\nWaiting for the idle workers to be sent home", end="", flush=True)
    started, shown = time.monotonic(), 0
    while workers := api.workers():
        if time.monotonic() - started > _EMPTY_SECONDS:
            raise DemoFailure(f"{len(workers)} workers are still there after {_EMPTY_SECONDS} s")
        if sys.stdout.isatty() and shown != len(workers):
            shown = len(workers)
            print(f"\r\x1b[2KWaiting for the idle workers to be sent home: {shown} left", end="", flush=True)
        time.sleep(_POLL_SECONDS)
    print(f"\nNo worker is left, {time.monotonic() - started:.0f} s after the last result.")
