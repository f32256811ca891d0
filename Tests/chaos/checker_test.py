"""Whether the crash test would notice: images of a disk whose truth is known, and an audit of made-up histories."""

import json
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import image
import journal
import shims
from audit import Auditor
from load import Accepted
from receiver import Delivery

# What the watched process does; the journal tells the rest.
WRITER = """
import os
def put(path, text, sync):
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(file, text)
    if sync:
        os.fsync(file)
    os.close(file)
def sync(path):
    folder = os.open(path, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
put("safe", b"a" * 2000, True); sync(".")
put("unnamed", b"b" * 2000, True)
put("named", b"c" * 2000, False); sync(".")
put("unnamed2", b"d", True)
file = os.open("safe", os.O_WRONLY)
os.pwrite(file, b"B" * 2000, 1000); os.fsync(file); os.pwrite(file, b"C" * 1000, 0)
os.mkdir("folder"); put("folder/inside", b"e", True); sync("folder")
put("moved.part", b"f", True); os.rename("moved.part", "moved"); sync(".")
os.rename("moved", "lost-name")
"""


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        home = Path(cls.home.name)
        (home / "disk").mkdir()
        (home / "disk/old").write_bytes(b"old")
        disk, cls.early = image.Disk(home / "disk", home / "base"), image.Disk(home / "disk", home / "base-early")
        subprocess.run(
            [sys.executable, "-c", WRITER], cwd=home / "disk", check=True,
            env={"LD_PRELOAD": shims.build("disk_journal", home), "CHAOS_JOURNAL": str(home / "journal"),
                 "CHAOS_FOLDER": str(home / "disk")})
        disk.replay(journal.read(home / "journal"))
        cls.found = []
        for seed in range(60):
            disk.write_image(home / f"image-{seed}", image.Chance(random.Random(seed)))
            cls.found.append({
                str(path.relative_to(home / f"image-{seed}")): path.read_bytes()
                for path in (home / f"image-{seed}").rglob("*") if path.is_file()})

    @classmethod
    def tearDownClass(cls):
        cls.home.cleanup()

    def test_what_was_synced_is_always_there(self):
        for files in self.found:
            self.assertEqual(files["old"], b"old")
            self.assertEqual(files["safe"][1000:], b"B" * 2000)
            self.assertEqual(files["unnamed"], b"b" * 2000)
            self.assertTrue("moved" in files or "lost-name" in files)

    def test_what_was_not_synced_is_there_sometimes(self):
        self.assertEqual({files["safe"][:1000] == b"C" * 1000 for files in self.found}, {True, False})
        self.assertEqual({"lost-name" in files for files in self.found}, {True, False})

    def test_a_name_needs_a_sync_of_its_folder_after_it_was_made(self):
        # Synced by a later sync of its folder, so always there; what is in a folder goes with the folder's own name.
        self.assertTrue(all("unnamed2" in files for files in self.found))
        self.assertTrue(all("folder/inside" in files for files in self.found))

    def test_a_file_whose_bytes_were_not_synced_may_be_empty_or_torn(self):
        lengths = {len(files["named"]) for files in self.found}
        self.assertIn(0, lengths)
        self.assertIn(2000, lengths)
        torn = [files["named"] for files in self.found if 0 < files["named"].count(b"c") < 2000]
        self.assertTrue(torn, "no write was torn")

    def test_before_its_folder_is_synced_a_name_may_be_missing(self):
        home = Path(self.home.name)
        records = journal.read(home / "journal")
        cut = next(index for index, record in enumerate(records) if record.path.endswith("/folder/inside"))
        self.early.replay(records[:cut + 1])
        there = set()
        for seed in range(20):
            self.early.write_image(home / f"early-{seed}", image.Chance(random.Random(seed)))
            there.add((home / f"early-{seed}/folder").exists())
        self.assertEqual(there, {True, False})


class FakeApi:
    def __init__(self, state="succeeded", states=("queued", "running", "succeeded"), result=None):
        self.answers = {
            "": (200, json.dumps({"id": "j", "state": state}).encode()),
            "/events": (200, "".join(
                f"id: {at}\nevent: state\ndata: {json.dumps({'state': name})}\n\n" for at, name in enumerate(states)).encode()),
            "/result": (200, json.dumps(result).encode()),
        }

    def get(self, path):
        return self.answers.get(path.removeprefix("/v1/jobs/j"), (404, b"{}"))


class FakeReceiver:
    def __init__(self, *deliveries):
        self.deliveries = [Delivery(1.0, webhook, "j", state, None, True) for webhook, state in deliveries]

    def of(self, _):
        return self.deliveries


class Audits(unittest.TestCase):
    def verdicts(self, api, receiver=None):
        auditor = Auditor(None, receiver or FakeReceiver(("w", "succeeded")))
        auditor.api = api
        auditor.judge([Accepted("j", 0.0, 0, {"text": "x"})])
        return [violation.kind for violation in auditor.violations]

    def good(self, **changes):
        return FakeApi(**{"result": {"text": "x"}, **changes})

    def test_a_job_that_ended_once_and_was_told_once_is_well(self):
        self.assertEqual(self.verdicts(self.good()), [])

    def test_a_job_that_nobody_knows_is_lost(self):
        api = self.good()
        api.answers.clear()
        self.assertEqual(self.verdicts(api), ["lost"])

    def test_a_result_that_is_gone_or_another_is_lost(self):
        self.assertEqual(self.verdicts(self.good(result={"text": "y"})), ["lost"])

    def test_a_job_that_did_not_end_is_stuck(self):
        self.assertEqual(self.verdicts(self.good(state="running")), ["stuck"])

    def test_two_ends_are_doubled(self):
        states = ("queued", "running", "succeeded", "queued", "running", "succeeded")
        self.assertEqual(self.verdicts(self.good(states=states)), ["doubled"])

    def test_two_webhook_ids_are_doubled(self):
        receiver = FakeReceiver(("w", "succeeded"), ("v", "succeeded"))
        self.assertEqual(self.verdicts(self.good(), receiver), ["doubled"])

    def test_a_webhook_that_says_something_else_is_wrong(self):
        self.assertEqual(self.verdicts(self.good(), FakeReceiver(("w", "failed"))), ["wrong"])


if __name__ == "__main__":
    unittest.main()
