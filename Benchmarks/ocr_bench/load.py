"""The report in several jobs at once, through a server with one worker."""

import json
import time

from benchkit.client import in_parallel
from benchkit.models import ModelServer
from benchkit.progress import ProgressBar

from .report import FOLDER, PAGES, PDF

ENDPOINT, CONNECTIONS, SECONDS_PER_PAGE = "ocr", 4, 60


def read_under_load(settings, data):
    """Seconds from the first submit to the last result, and the texts of the pages of every job."""
    report = PDF.read_bytes()
    with ModelServer(settings, data, ENDPOINT, settings.model) as server:
        # Once before it counts.
        server.submit(server.connection, (FOLDER / "medical-report-page1.png").read_bytes(), "image/png")
        server.wait_for(1, SECONDS_PER_PAGE)
        bar = ProgressBar("Millrace: jobs of four pages", settings.jobs)

        def submit(connection, content):
            return server.submit(connection, content, "application/pdf")

        start = time.perf_counter()
        jobs = in_parallel(server.port, CONNECTIONS, [report] * settings.jobs, submit)
        server.wait_for(len(jobs), SECONDS_PER_PAGE * len(PAGES) * len(jobs), 1, bar)
        seconds = time.perf_counter() - start
        results = [json.loads(server.result(server.connection, job)) for job in jobs]
    return seconds, [[page["text"] for page in result["pages"]] for result in results]
