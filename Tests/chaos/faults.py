"""The faults, one function each: makes it, waits, and takes it back."""

import signal
import time

FILLING = 0.4
"""Seconds in which the server itself may use up what a disk has left, before the rest is taken from it."""


class Faults:
    def __init__(self, host, clock, power):
        self.host, self.clock, self.power = host, clock, power

    def inject(self, fault, random):
        getattr(self, "_" + fault.kind.replace("-", "_"))(fault, random)

    def _kill_server(self, fault, _):
        self.host.kill()
        time.sleep(fault.lasts)
        self.host.start()

    def _kill_worker(self, fault, random):
        self.host.signal_worker(signal.SIGKILL, random)
        time.sleep(fault.lasts)

    def _kill_both(self, fault, random):
        # In either order: who dies first may still see the other's end.
        if random.random() < 0.5:
            self.host.kill()
            self.host.kill_workers()
        else:
            self.host.kill_workers()
            self.host.kill()
        time.sleep(fault.lasts)
        self.host.start()

    def _stop_worker(self, fault, random):
        self.host.signal_worker(signal.SIGSTOP, random)
        time.sleep(fault.lasts)
        self.host.resume_all()

    def _stop_server(self, fault, _):
        self.host.signal_server(signal.SIGSTOP)
        time.sleep(fault.lasts)
        self.host.signal_server(signal.SIGCONT)

    def _disk_full(self, fault, _):
        # A log that is written from its beginning again, or few jobs, may never reach the end of what is left.
        self.host.disk.fill(fault.size)
        if fault.size:
            time.sleep(FILLING)
            self.host.disk.fill(0)
        time.sleep(fault.lasts)
        self.host.disk.empty()

    def _clock_step(self, fault, _):
        self.clock.step(fault.size)
        time.sleep(fault.lasts)

    def _power_cut(self, fault, random):
        self.power.cut(random)
