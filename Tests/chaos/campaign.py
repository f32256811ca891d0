"""Runs the rounds on one data directory and gathers what came of them."""

import collections
import contextlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import shims
from audit import Auditor, Violation
from clock import Clock
from faults import Faults
from host import Host
from load import Load
from plan import ALL
from power import Power
from receiver import Receiver

MIB = 1 << 20
EVIDENCE_MAX = 3


class Campaign:
    def __init__(self, seed, kinds=None, drops_syncs=False):
        self.seed, self.kinds, self.drops_syncs = seed, kinds or ALL, drops_syncs
        self.host = Host(disk_bytes=192 * MIB)
        self.receiver = Receiver(open(self.host.folder / "deliveries.log", "a", encoding="utf-8"))
        self.accepted_log = open(self.host.folder / "accepted.log", "a", encoding="utf-8")
        self.auditor = Auditor(self.host, self.receiver)
        self.clock, self.power = Clock(self.host.folder), Power(self.host, drops_syncs)
        self.faults = Faults(self.host, self.clock, self.power)
        self.setup, self.rounds = None, 0
        self.injected = collections.Counter()
        self.jobs = self.refused = self.refused_full = self.unanswered = self.voided = 0
        self.skipped = self._skipped()
        self.evidence = []
        self.settled_worst = 0.0
        self.phases = collections.Counter()

    def _skipped(self):
        skipped = {}
        if not self.host.disk.is_own:
            skipped["disk-full"] = "mounting a tmpfs is not allowed: run it as root, or where user namespaces are"
        if not shims.compiler():
            skipped["clock-step"] = skipped["power-cut"] = "there is no C compiler: apt-get install gcc"
        return skipped

    @property
    def available(self):
        return [kind for kind in self.kinds if kind not in self.skipped]

    @property
    def violations(self):
        return self.auditor.violations

    def run(self, plan):
        """One round. Says what it was, for a log."""
        jobs, before, times = self.jobs, len(self.violations), collections.Counter(self.phases)
        with self._phase("set-up"):
            self.host.disk.make_room(96 * MIB + self.host.data_bytes())
            self._prepare(plan.setup)
        load = Load(self.host, self.receiver.url, self.accepted_log, plan.number, plan.random)
        with self._phase("load"):
            self._under_load(plan, load)
        with self._phase("settling"):
            self._heal()
            settled = self.auditor.settle()
        with self._phase("judging"):
            self._judge(plan, load)
        self.settled_worst = max(self.settled_worst, settled)
        self.rounds += 1
        if len(self.violations) > before:
            self._keep_evidence(plan, self.violations[before:])
        kinds = ", ".join(fault.kind for fault in plan.faults)
        spent = ", ".join(f"{phase} {seconds - times[phase]:.1f} s" for phase, seconds in self.phases.items())
        return f"round {plan.number}: {kinds}; {self.jobs - jobs} jobs; {spent}; {len(self.violations)} violations"

    @contextlib.contextmanager
    def _phase(self, name):
        begun = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] += time.monotonic() - begun

    def _under_load(self, plan, load):
        self.power.void = None
        self.power.mark()
        load.start()
        try:
            self._inject(plan)
        finally:
            load.finish()

    def _prepare(self, setup):
        """Between set-ups everything is stopped: what is preloaded is decided when a process starts."""
        if setup == self.setup:
            return
        if self.host.process:
            self.host.stop()
        self.host.use({"plain": dict, "clock": self.clock.variables, "power": self.power.variables}[setup]())
        if setup == "power":
            if not self.host.data.exists():
                self.host.use({})
                self.host.start()
                self.host.stop()
                self.host.use(self.power.variables())
            self.power.begin()
        self.host.start()
        self.setup = setup

    def _inject(self, plan):
        begun = time.monotonic()
        for fault in plan.faults:
            time.sleep(fault.after)
            self.faults.inject(fault, plan.random)
            self.injected[fault.kind] += 1
        time.sleep(max(0, begun + plan.seconds - time.monotonic()))

    def _heal(self):
        self.host.disk.empty()
        if self.host.process.poll() is not None:
            text = f"the server ended by itself: {self.host.log()[-800:]}"
            self.violations.append(Violation("wrong", "-", self.rounds, text))
            self.host.start()
        self.host.resume_all()

    def _judge(self, plan, load):
        accepted = load.accepted
        if self.power.void:
            begin, end = self.power.void
            self.receiver.forget_between(begin, end)
            accepted = [job for job in load.accepted if not begin <= job.at < end]
            self.voided += len(load.accepted) - len(accepted)
        for jobs in load.by_key.values():
            self.auditor.judge_key([job for job in jobs if job in accepted])
        self.auditor.judge(accepted)
        for text in load.tally.faults + self.power.faults:
            self.violations.append(Violation("wrong", "-", plan.number, text))
        self.power.faults.clear()
        self.jobs += len(accepted)
        self.refused += load.tally.refused
        self.unanswered += load.tally.unanswered
        if any(fault.kind == "disk-full" for fault in plan.faults):
            self.refused_full += load.tally.refused

    def _keep_evidence(self, plan, violations):
        if self.drops_syncs:
            return
        faults = ", ".join(f"{fault.kind} ({fault.lasts} s, {fault.size})" for fault in plan.faults)
        again = f"SEED={self.seed} ROUND={plan.number} dev/chaos"
        print(f"\nround {plan.number} failed ({plan.setup}: {faults}); again: {again}", file=sys.stderr)
        for violation in violations[:5]:
            print(f"  {violation}", file=sys.stderr)
        if len(self.evidence) < EVIDENCE_MAX:
            kept = Path(tempfile.mkdtemp(prefix=f"millrace-chaos-round-{plan.number}-"))
            left_out = shutil.ignore_patterns("base", "*.sock", "filler")
            shutil.copytree(self.host.folder, kept, dirs_exist_ok=True, ignore=left_out)
            (kept / "violations.json").write_text(json.dumps([vars(violation) for violation in violations], indent=1))
            self.evidence.append(kept)
            print(f"  kept: {kept}", file=sys.stderr)

    def finish(self, progress):
        self.auditor.finish(progress)

    def close(self):
        self.host.close()
