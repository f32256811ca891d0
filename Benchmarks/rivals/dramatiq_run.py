from dramatiq_app import noop
from rival import timed


def submit_all(count):
    for i in range(count):
        noop.send(i)


timed(4, submit_all)
