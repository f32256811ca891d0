from celery import Celery

from rival import url

app = Celery("bench", broker=url(0), backend=url(1))
# For many short tasks the optimizing guide says: let a worker prefetch many.
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=64, result_expires=3600)


@app.task
def noop(x):
    return x
