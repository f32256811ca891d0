"""What happens in each round, chosen by a seed."""

import random
from dataclasses import dataclass

# What a fault needs loaded into the server decides with which others it can share a round.
PLAIN = ["kill-server", "kill-worker", "kill-both", "stop-worker", "stop-server", "disk-full"]
CLOCK = ["clock-step"]
POWER = ["power-cut"]
ALL = PLAIN + CLOCK + POWER
# Five rounds of one kind share a server's set-up, because a change of it costs a restart.
BLOCKS = ["plain", "power", "plain", "clock", "plain", "power", "clock", "plain", "power", "plain"]
BLOCK_ROUNDS = 5


@dataclass
class Fault:
    kind: str
    after: float
    """Seconds of load before it."""
    lasts: float
    size: float = 0


@dataclass
class Plan:
    number: int
    setup: str
    faults: list
    seconds: float
    """Of load."""
    random: random.Random


def plan(seed, number, available):
    """The same seed and number give the same plan; when the processes reach a fault is up to the machine."""
    chance = random.Random(f"{seed}/{number}")
    needs = {"plain": PLAIN, "clock": CLOCK, "power": POWER}
    blocks = [block for block in BLOCKS if any(kind in available for kind in needs[block])]
    setup = blocks[number // BLOCK_ROUNDS % len(blocks)]
    return Plan(number, setup, _faults(setup, chance, available), round(chance.uniform(1.4, 2.0), 2), chance)


def single(seed, number, kind):
    """A round with one fault."""
    chance = random.Random(f"{seed}/{number}")
    setup = {"clock-step": "clock", "power-cut": "power"}.get(kind, "plain")
    return Plan(number, setup, [_fault(kind, chance)], 2.0, chance)


def _faults(setup, chance, available):
    plain = [kind for kind in PLAIN if kind in available]
    if setup == "power":
        # Nothing that stops a process: it might hold the lock of the journal.
        return [_fault("kill-worker", chance)] * (chance.random() < 0.3) + [_fault("power-cut", chance)]
    if setup == "clock":
        steps = [_fault("clock-step", chance) for _ in range(chance.choice([1, 2]))]
        others = [kind for kind in ("kill-server", "kill-worker", "kill-both", "stop-worker") if kind in available]
        return steps + ([_fault(chance.choice(others), chance)] if others and chance.random() < 0.5 else [])
    return [_fault(kind, chance) for kind in chance.sample(plain, min(len(plain), chance.choice([1, 1, 2])))]


def _fault(kind, chance):
    after = round(chance.uniform(0.1, 0.7), 2)
    if kind in ("stop-worker", "stop-server"):
        return Fault(kind, after, round(chance.uniform(1.3, 2.2), 2))
    if kind == "disk-full":
        # What is left free, so that the disk is full at another write each time.
        return Fault(kind, after, round(chance.uniform(0.8, 1.6), 2), chance.choice([0, 0, 4096, 65536, 1 << 20]))
    if kind == "clock-step":
        size = chance.choice([2, 30, 600, 3600, 3 * 3600]) * chance.uniform(0.5, 1.2) * chance.choice([1, -1])
        return Fault(kind, after, round(chance.uniform(0.1, 0.5), 2), round(size, 1))
    return Fault(kind, after, round(chance.uniform(0.05, 0.8), 2))
