from saq import Queue

from rival import url

queue = Queue.from_url(url(2))


async def noop(ctx, *, x):
    return x


settings = {"queue": queue, "functions": [noop], "concurrency": 64}
