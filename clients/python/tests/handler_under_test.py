"""A handler that does whatever its input says. Run by the tests as a process of its own."""

import array
import os
import sys
import time

from millrace import Cancelled, Failure, Output, Result, Tensor, handler


def load():
    print("noise on standard output")
    if os.environ.get("TEST_FATAL"):
        raise RuntimeError("no such weights")


def wait_for_stop(item):
    item.progress(0, 10, unit="steps", message="started", loss=0.5, broken=float("nan"))
    while True:
        item.check()
        time.sleep(0.005)


def drain(item):
    try:
        wait_for_stop(item)
    except Cancelled as stop:
        item.save_checkpoint(b"last words", {"reason": stop.reason})
        raise


def act(item):
    order = item.input
    if order == "fail":
        return Failure("bad_input", "that is bad", hint="send better", retry_after=3)
    if order == "raise failure":
        raise Failure("raised", "raised on purpose")
    if order == "explode":
        raise ValueError("boom")
    if order == "memory":
        raise MemoryError("too big")
    if order == "nan":
        return float("nan")
    if order == "big":
        return {"text": "x" * 700_000}
    if order == "outputs":
        (item.workdir / "own.txt").write_text("own")
        return Result({"n": 2}, [Output(item.workdir / "own.txt"), Output(b"made", "text/plain", "made.txt")])
    if order == "twins":
        return Result({}, [Output(b"{}", name="result.json")])
    if order == "foreign":
        return Output(__file__, name="foreign.py")
    if order == "tensor":
        floats = array.array("f", [1.5, -2.0])
        return Result({"n": 1}, [Tensor(floats, "pair"), Tensor(b"abcdef", "grid", shape=(2, 3), datatype="uint8")])
    if order == "unfit tensor":
        return Tensor(b"abc", "grid", shape=(2, 3), datatype="uint8")
    if order == "image":
        image = item.image
        image.memory[0, 0, 0] = 9
        return {"shape": image.shape, "bytes": bytes(image.memory).hex(), "filename": item.files[0].filename}
    if order == "wait":
        wait_for_stop(item)
    if order == "drain":
        drain(item)
    if order == "checkpoint":
        stored = item.save_checkpoint(b"state", {"step": 1})
        return {"stored": stored, "from": item.checkpoint and item.checkpoint.position}
    if order == "exit":
        os._exit(3)
    if order == "log":
        item.log("careful", level="warning")
        print("more noise", flush=True)
    return {"echo": order, "parameters": item.parameters, "files": [f.path.read_text() for f in item.files]}


@handler(batch_max=8, setup=load)
def run(batch):
    if batch[0].input == "short":
        return []
    if batch[0].input == "check second":
        batch[1].check()
    return [act(item) for item in batch]


@handler
def one_by_one(batch):
    """Answers from the last to the first; dies at an item that says so."""
    for item in reversed(batch):
        yield item, act(item)


if __name__ == "__main__":
    (one_by_one if "--generator" in sys.argv else run).serve()
