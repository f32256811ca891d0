"""What bad input gets: a 4xx at the door or a failed job with a code and a hint; neighbours and workers are untouched."""

import json
import struct
import zlib

from _millrace import DATA, Server


def png_header(width, height):
    """A PNG that only says it is huge."""
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refused(server, endpoint, files, status, code, fields=None):
    problem = server.submit_files(endpoint, files, fields, expect=status)
    explained(problem, code)


def explained(problem, code):
    assert problem["code"] == code, f"{problem['code']}, not {code}: {problem}"
    assert problem.get("hint"), f"no hint: {problem}"
    print(f"{problem['code']}: {problem.get('detail') or problem.get('message')} ({problem['hint']})")


def failed(server, endpoint, files, codes):
    """Refused at the door or failed in the worker: with one of these codes, and a hint, either way."""
    boundary_status = None
    try:
        job = server.submit_files(endpoint, files)
    except AssertionError as refusal:
        boundary_status = str(refusal)
        assert any(f'"{code}"' in boundary_status for code in codes), boundary_status
        assert '"hint"' in boundary_status, boundary_status
        print(f"refused: {boundary_status[:300]}")
        return
    error = server.wait(job["id"], state="failed")["error"]
    assert error["code"] in codes, error
    explained({**error, "detail": error["message"]}, error["code"])


def at_the_door(server):
    photo = DATA / "photos/rocket.jpg"
    refused(server, "classify", [("notes.txt", b"just some text, not a picture")], 415, "unsupported_media_type")
    refused(server, "classify", [("photo.jpg", (DATA / "report/medical-report-4pages.pdf").read_bytes())], 415, "unsupported_media_type")
    refused(server, "classify", [("huge.png", png_header(30_000, 30_000))], 422, "image_too_large")
    refused(server, "classify", [("empty.jpg", b"")], 422, "empty_file")
    refused(server, "classify", [photo], 422, "unknown_parameter", {"topk": 3})
    refused(server, "classify", [photo], 422, "invalid_parameter", {"topK": "many"})
    refused(server, "classify", [("big.jpg", photo.read_bytes() + bytes(51_000_000))], 413, "too_large")
    refused(server, "clasify", [photo], 404, "endpoint_unknown")
    status, headers, content = server.call(
        "POST", "/v1/endpoints/sentiment/jobs", '{"input": {"text": ', {"Content-Type": "application/json"})
    assert status == 400 and headers["content-type"] == "application/problem+json", (status, headers)
    explained(json.loads(content), "malformed_request")
    problem = server.submit_json("sentiment", {"imput": "typo"}, expect=400)
    assert "input" in problem["hint"], problem


def in_the_worker(server):
    pdf = (DATA / "report/medical-report-4pages.pdf").read_bytes()
    failed(server, "ocr", [("cut.pdf", pdf[: len(pdf) // 2])], {"invalid_input", "pdf_damaged"})
    failed(server, "ocr", [("locked.pdf", encrypted_pdf())], {"pdf_encrypted"})
    photo = (DATA / "photos/china.jpg").read_bytes()
    failed(server, "classify", [("cut.jpg", photo[: len(photo) // 3])], {"image_damaged"})
    failed(server, "sentiment", [("ragged.csv", b"id,text\n1,good\n2,bad,and more\n")], {"csv_malformed"})
    failed(server, "sentiment", [("latin.csv", "id,text\n1,Das Caf\xe9 war sch\xf6n\n".encode("latin-1"))], {"text_encoding"})
    job = server.submit_files("sentiment", [DATA / "comments-1000.csv"], {"column": "coment"})
    error = server.wait(job["id"], state="failed")["error"]
    assert error["code"] == "column_missing" and "text" in error["message"] + error["hint"], error
    print(f"{error['code']}: {error['message']} ({error['hint']})")


def encrypted_pdf():
    """A small PDF whose trailer says that it is encrypted."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        b"<< /Filter /Standard /V 1 /R 2 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> /P -44 >>",
    ]
    content, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start = len(content)
    content += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return content + b"trailer\n<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<41> <41>] >>\nstartxref\n%d\n%%%%EOF\n" % start


def neighbours(server):
    """Good and bad jobs side by side, in the same batches."""
    photo = (DATA / "photos/china.jpg").read_bytes()
    jobs = []
    for number in range(12):
        good = number % 3 != 0
        jobs.append((good, server.submit_files("classify", [("p.jpg", photo if good else photo[:9000])])["id"]))
    for good, job in jobs:
        server.wait(job, state="succeeded" if good else "failed")
    assert server.job(jobs[0][1])["crashes"] == 0, "a bad photo killed its worker"


def main():
    with Server() as server:
        at_the_door(server)
        in_the_worker(server)
        neighbours(server)


main()
