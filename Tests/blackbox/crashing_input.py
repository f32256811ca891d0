"""An image that kills every worker that decodes it, among 20 photos: it fails as worker_lost, and all the others succeed."""

import struct
import subprocess
import zlib
from pathlib import Path

from _millrace import DATA, Server

SHIM = Path(__file__).with_name("crash_shim.c")
MARK = b"MILLRACE-BREAKS-HERE"


def build_shim(folder):
    library = folder / "crash_shim.so"
    subprocess.run(["clang", "-shared", "-fPIC", "-O2", "-o", str(library), str(SHIM), "-ldl"], check=True)
    return library


def poisoned(photo):
    """The picture with a note in front of its pixels, which a sound decoder passes over."""
    content = photo.read_bytes()
    head = 8 + 12 + 13
    kind, text = b"tEXt", b"Comment\0" + MARK
    note = struct.pack(">I", len(text)) + kind + text + struct.pack(">I", zlib.crc32(kind + text))
    return content[:head] + note + content[head:]


def main():
    png = next(iter(sorted((DATA / "photos").glob("*.png"))))
    photos = sorted((DATA / "photos").glob("*.jpg"))
    with Server() as server:
        # Without the shim the poisoned picture is as good as any other.
        server.wait(server.submit_files("classify", [("poisoned.png", poisoned(png))])["id"])
    server = Server()
    server.environment["LD_PRELOAD"] = str(build_shim(server.folder))
    with server:
        good = []
        for index in range(20):
            if index == 5:
                bad = server.submit_files("classify", [("poisoned.png", poisoned(png))])["id"]
            good.append(server.submit_files("classify", [photos[index % len(photos)]])["id"])
        ended = [server.wait(identifier) for identifier in good]
        culprit = server.wait(bad, state="failed")
        assert culprit["error"]["code"] == "worker_lost", culprit["error"]
        assert culprit["crashes"] == 3, f"{culprit['crashes']} crashes were counted"
        crashes = [job["crashes"] for job in ended]
        assert max(crashes) <= 1, f"others were counted more than the one crash at which they were at risk: {crashes}"
        assert all(job["attempt"] == 1 for job in ended), "a crash cost others an attempt"
        print(f"the poisoned picture: {culprit['crashes']} crashes; the others: {sum(crashes)} in {len(crashes)} jobs")
        later = server.wait(server.submit_files("classify", [photos[0]])["id"])
        assert later["crashes"] == 0, later
        left = list((server.data / "scratch").glob("*.at-risk"))
        assert len(left) <= len(server.workers()), f"workers that are gone left {left}"


main()
