from celery_app import app, noop
from rival import timed


def submit_all(count):
    with app.producer_pool.acquire(block=True) as producer:
        for i in range(count):
            noop.apply_async((i,), producer=producer)


timed(1, submit_all)
