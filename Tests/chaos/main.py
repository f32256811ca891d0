"""The crash test. See README.md in this folder."""

import argparse
import collections
import os
import random
import sys
import time
import unittest

import plan
from campaign import Campaign

PROMISES = ["lost", "doubled", "stuck", "wrong"]


def main():
    arguments = parse()
    begun = time.monotonic()
    print(f"seed {arguments.seed}, {arguments.rounds} rounds", flush=True)
    campaign = Campaign(arguments.seed, arguments.kinds, drops_syncs=arguments.self_test)
    for kind, reason in campaign.skipped.items():
        print(f"SKIPPED {kind}: {reason}", file=sys.stderr, flush=True)
    try:
        if arguments.self_test:
            return self_test(campaign, arguments)
        for number, chosen in enumerate(plans(campaign, arguments), start=1):
            line = campaign.run(chosen)
            if not sys.stdout.isatty():
                print(line, flush=True)
            progress(f"round {number} of {arguments.rounds}: {campaign.jobs} jobs, "
                     f"{len(campaign.violations)} violations, {time.monotonic() - begun:.0f} s")
            if len(campaign.violations) > 50:
                print("\nenough: the rest is left out", file=sys.stderr)
                break
        campaign.finish(progress)
        progress("")
        return report(campaign, time.monotonic() - begun)
    finally:
        campaign.close()


def parse():
    parser = argparse.ArgumentParser(prog="dev/chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every fault once, for the test suite")
    parser.add_argument("--self-test", action="store_true", help="a disk that syncs nothing: losses must be found")
    arguments = parser.parse_args()
    arguments.seed = os.environ.get("SEED") or str(random.SystemRandom().getrandbits(32))
    arguments.only = os.environ.get("ROUND")
    arguments.kinds = os.environ["FAULTS"].split(",") if os.environ.get("FAULTS") else None
    if unknown := set(arguments.kinds or []) - set(plan.ALL):
        parser.error(f"there is no fault {', '.join(sorted(unknown))}: FAULTS names some of {','.join(plan.ALL)}")
    arguments.rounds = int(os.environ.get("ROUNDS") or 500)
    if arguments.only:
        arguments.rounds = 1
    elif arguments.quick:
        arguments.rounds = len(plan.ALL)
    elif arguments.self_test:
        arguments.rounds = 5
    return arguments


def plans(campaign, arguments):
    if arguments.quick:
        for number, kind in enumerate(kind for kind in plan.ALL if kind in campaign.available):
            yield plan.single(arguments.seed, number, kind)
    elif arguments.only:
        yield plan.plan(arguments.seed, int(arguments.only), campaign.available)
    else:
        for number in range(arguments.rounds):
            yield plan.plan(arguments.seed, number, campaign.available)


def self_test(campaign, arguments):
    """Shows that a lost job would be found: no sync reaches the disk, so what was accepted cannot all survive."""
    if "power-cut" in campaign.skipped:
        return 1
    if not unittest.main("checker_test", argv=["checker_test"], exit=False).result.wasSuccessful():
        return 1
    for number in range(arguments.rounds):
        campaign.run(plan.single(arguments.seed, number, "power-cut"))
    lost = sum(violation.kind == "lost" for violation in campaign.violations)
    print(f"without syncs: {campaign.jobs} jobs, {lost} found to be lost")
    return 0 if lost else 1


def report(campaign, seconds):
    print("| fault | rounds |\n| --- | --- |")
    for kind in plan.ALL:
        print(f"| {kind} | {campaign.injected[kind] or ('SKIPPED' if kind in campaign.skipped else 0)} |")
    print(f"\n{campaign.jobs} jobs accepted, {campaign.receiver.count} deliveries, {campaign.refused} submits refused "
          f"({campaign.refused_full} by a full disk), {campaign.unanswered} without an answer, "
          f"{campaign.voided} accepted after their power cut")
    print(f"the slowest round settled in {campaign.settled_worst:.1f} s, the slowest webhook came "
          f"{campaign.auditor.told_worst:.1f} s after that")
    print("spent: " + ", ".join(f"{phase} {spent:.0f} s" for phase, spent in campaign.phases.items()))
    for violation in campaign.violations[:20]:
        print(violation)
    counted = collections.Counter(violation.kind for violation in campaign.violations)
    failed = bool(campaign.violations)
    if campaign.injected["disk-full"] and not campaign.refused_full:
        failed = True
        print("the disk was full, and nothing was refused: that fault did not work")
    figures = " ".join(f"{promise}={counted[promise]}" for promise in PROMISES)
    print(f"rounds={campaign.rounds} jobs={campaign.jobs} {figures} skipped={len(campaign.skipped)} "
          f"seconds={seconds:.0f}")
    return 1 if failed else 0


def progress(text):
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
