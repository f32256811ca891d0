import asyncio
import json
import time

from rival import N
from saq_app import queue


async def main():
    await queue.connect()
    start = time.monotonic()
    for first in range(0, N, 100):
        await asyncio.gather(*[queue.enqueue("noop", x=i, ttl=600) for i in range(first, min(first + 100, N))])
    submitted = time.monotonic()
    while await queue.count("incomplete") > 0:
        await asyncio.sleep(0.02)
    end = time.monotonic()
    print(json.dumps({"submit": N / (submitted - start), "endToEnd": N / (end - start), "seconds": end - start}))
    await queue.disconnect()


asyncio.run(main())
