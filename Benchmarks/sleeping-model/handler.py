"""Stands for a model of which only the time matters."""

import time

from millrace import handler


@handler(batch_max=1)
def sleep(batch):
    for item in batch:
        time.sleep(item.parameters["seconds"])
    return [None for _ in batch]


if __name__ == "__main__":
    sleep.serve()
