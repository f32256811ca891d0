"""What the rivals share: the Redis of this run, and how a run is timed."""

import json
import os
import sys
import time

import redis

PORT = int(os.environ["BENCH_REDIS_PORT"])
N = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 0


def url(database):
    return f"redis://127.0.0.1:{PORT}/{database}"


def wait_for_results(database, count):
    """Each result is one key of its database: DBSIZE costs Redis nothing."""
    connection = redis.Redis(port=PORT, db=database)
    while connection.dbsize() < count:
        time.sleep(0.02)


def timed(results_in, submit_all):
    """Submits N jobs, waits until all results are stored, prints both rates."""
    redis.Redis(port=PORT, db=results_in).flushdb()
    start = time.monotonic()
    submit_all(N)
    submitted = time.monotonic()
    wait_for_results(results_in, N)
    end = time.monotonic()
    print(json.dumps({"submit": N / (submitted - start), "endToEnd": N / (end - start), "seconds": end - start}))
