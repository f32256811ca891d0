"""A handler on the shipped package that does what its input says."""

import os
import time

from millrace import Failure, Output, Result, Tensor, handler


def load():
    if os.environ.get("TEST_FATAL"):
        raise RuntimeError("no such weights")


def act(item):
    order = item.input
    if order == "upper":
        path = item.workdir / "upper.txt"
        path.write_text(item.files[0].path.read_text().upper())
        return Output(path)
    if order == "refuse":
        return Failure("bad_input", "that is bad", hint="send better", retry_after=3)
    if order == "talk":
        item.progress(2, 2, unit="steps", loss=0.5)
        item.log("careful", level="warning")
        return "talked"
    if order == "checkpoint":
        return item.save_checkpoint(b"state", {"epoch": 3})
    if order == "wait":
        item.progress(0, 2, unit="steps")
        while True:
            item.check()
            time.sleep(0.002)
    if order == "explode":
        raise ValueError("boom")
    if order == "image":
        image = item.files[0].image
        total = sum(bytes(image.memory))
        return Result({"shape": image.shape, "sum": total}, [Tensor(bytes(image.memory), "pixels", image.shape, "uint8")])
    if order == "tensor and die":
        return Tensor(b"abcd", "last", (4,), "uint8")
    if order == "pid":
        return os.getpid()
    return {"job": item.job, "attempt": item.attempt}


@handler(batch_max=8, setup=load)
def run(batch):
    return [act(item) for item in batch]


run.serve()
