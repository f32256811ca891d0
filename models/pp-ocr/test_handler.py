"""The OCR model against the demo report and against documents that must not be read.

Run with the interpreter that has the model's packages:  .venv/bin/python -m unittest discover -s models/pp-ocr
"""

import io
import json
import shutil
import sys
import tempfile
import types
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REPORT = ROOT / "Examples" / "data" / "report"
PDF = REPORT / "medical-report-4pages.pdf"
sys.path.insert(0, str(ROOT / "clients" / "python"))
sys.path.insert(0, str(HERE))

from PIL import Image  # noqa: E402

import poppler  # noqa: E402
from millrace.testing import FakeRunner, file_entry  # noqa: E402
from pdf import pdf_pages  # noqa: E402


def distance(a, b):
    """Levenshtein distance."""
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        current = [i]
        for j, right in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (left != right)))
        previous = current
    return previous[-1]


def error_rate(text, page):
    """Character errors of a page's text against its truth, white space as single spaces."""
    truth = " ".join((REPORT / f"medical-report-page{page}.txt").read_text().split())
    got = " ".join(text.split())
    return 0.0 if got == truth else distance(got, truth) / len(truth)


def png(width, height, mode="1"):
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 1).save(buffer, "PNG")
    return buffer.getvalue()


class OCRCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runner = FakeRunner([sys.executable, "handler.py"], HERE, timeout=120)
        ready = cls.runner.wait_ready()
        assert ready["type"] == "ready", ready

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def file(self, name, content):
        path = self.directory / name
        path.write_bytes(content)
        return path

    def pages(self, answer):
        self.assertEqual(answer.kind, "result", answer.message)
        return json.loads(answer.output("result.json"))["pages"]


class Reading(OCRCase):
    def test_every_page_image_is_read_without_a_wrong_character(self):
        files = [REPORT / f"medical-report-page{number}.png" for number in range(1, 5)]
        pages = self.pages(self.runner.run_one(files=files))
        self.assertEqual([error_rate(page["text"], number) for number, page in enumerate(pages, 1)], [0.0] * 4)
        self.assertEqual([page["file"] for page in pages], [file.name for file in files])

    def test_the_scanned_pdf_is_read_from_its_own_images(self):
        self.runner.checkpoints.clear()
        answer = self.runner.run_one(files=[PDF])
        pages = self.pages(answer)
        rates = [round(error_rate(page["text"], page["page"]), 5) for page in pages]
        print(f"character error rate per page of the PDF: {rates}", file=sys.stderr)
        self.assertLessEqual(max(rates), 0.0025)
        self.assertEqual([(page["width"], page["height"]) for page in pages], [(1240, 1754)] * 4)
        self.assertEqual([step["done"] for step in answer.progress], [0, 1, 2, 3, 4])
        positions = [checkpoint["position"]["page"] for checkpoint in self.runner.checkpoints]
        self.assertEqual(positions, [1, 2, 3])
        self.assertEqual(answer.output("text.txt").decode().count("\f"), 3)

    def test_a_line_has_text_confidence_and_four_corners(self):
        answer = self.runner.run_one(files=[PDF], parameters={"pages": "2"})
        (page,) = self.pages(answer)
        self.assertEqual(page["page"], 2)
        line = next(line for line in page["lines"] if line["text"] == "Haemoglobin")
        self.assertGreater(line["confidence"], 0.9)
        self.assertEqual(len(line["polygon"]), 4)
        self.assertIn("Haemoglobin\t13.1\tg/dL\t13.0 - 17.0", page["text"])

    def test_a_later_attempt_starts_at_the_next_page(self):
        first = self.pages(self.runner.run_one(files=[PDF], parameters={"pages": "1"}))
        saved = self.file("saved.json", json.dumps(first).encode())
        checkpoint = {"path": str(saved), "position": {"page": 1}}
        answer = self.runner.run_one(files=[PDF], parameters={"pages": "1-2"}, checkpoint=checkpoint)
        self.assertEqual(self.pages(answer)[0], first[0])
        self.assertEqual([step["done"] for step in answer.progress], [1, 2])

    def test_a_page_with_something_on_top_of_its_image_is_rendered(self):
        with Image.open(REPORT / "medical-report-page1.png") as page:
            page.convert("RGB").rotate(180).save(self.directory / "turned.pdf", resolution=150)
        turned = (self.directory / "turned.pdf").read_bytes()
        # The page's own /Rotate undoes what was done to the image: only a rendered page is upright.
        upright = self.file("upright.pdf", turned.replace(b"/MediaBox", b"/Rotate 180 /MediaBox", 1))
        (page,) = self.pages(self.runner.run_one(files=[upright]))
        self.assertLess(error_rate(page["text"], 1), 0.01)

    def test_a_tiff_has_several_pages(self):
        scans = [Image.open(REPORT / f"medical-report-page{number}.png") for number in (2, 1)]
        path = self.directory / "two.tiff"
        scans[0].save(path, save_all=True, append_images=scans[1:], compression="tiff_lzw")
        pages = self.pages(self.runner.run_one(files=[path]))
        self.assertEqual([error_rate(pages[0]["text"], 2), error_rate(pages[1]["text"], 1)], [0.0, 0.0])

    def test_a_blank_page_has_no_lines(self):
        (page,) = self.pages(self.runner.run_one(files=[self.file("blank.png", png(400, 300))]))
        self.assertEqual((page["lines"], page["text"]), ([], ""))

    def test_cancelling_stops_between_pages(self):
        self.addCleanup(setattr, self.runner, "on_progress", lambda message: None)
        self.runner.on_progress = lambda message: self.runner.tell({"type": "cancel", "item": message["item"]})
        self.assertEqual(self.runner.run_one(files=[PDF]).kind, "cancelled")


class Refusals(OCRCase):
    def refused(self, files, code, **parameters):
        answer = self.runner.run_one(files=files, parameters=parameters)
        self.assertEqual((answer.kind, answer.code), ("error", code), answer.message)
        self.assertFalse(answer.message["retryable"])
        self.assertTrue(answer.message["hint"])
        self.assertNotIn(str(self.directory), answer.message["message"])

    def test_no_file(self):
        self.refused([], "input_missing")

    def test_an_empty_file(self):
        self.refused([self.file("empty.png", b"")], "empty_document")

    def test_a_type_that_is_not_read(self):
        self.refused([self.file("notes.txt", b"hello")], "media_type_unsupported")

    def test_a_damaged_pdf(self):
        self.refused([self.file("broken.pdf", b"%PDF-1.7\nnothing more")], "pdf_damaged")

    def test_a_pdf_with_a_password(self):
        self.refused([self.file("locked.pdf", LOCKED_PDF)], "pdf_encrypted")

    def test_a_pdf_with_an_enormous_page(self):
        self.refused([self.file("huge.pdf", vector_pdf(14_000, 14_000))], "image_too_large", dpi=600)

    def test_a_pdf_with_too_many_pages(self):
        self.refused([self.file("long.pdf", vector_pdf(100, 100, pages=201))], "pages_over_limit")

    def test_a_damaged_image(self):
        whole = (REPORT / "medical-report-page1.png").read_bytes()
        self.refused([self.file("cut.png", whole[: len(whole) // 2])], "image_damaged")
        self.refused([self.file("noise.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 64)], "image_damaged")

    def test_an_image_with_too_many_pixels_is_refused_from_its_header(self):
        self.refused([self.file("bomb.png", png(10_001, 10_000))], "image_too_large")

    def test_pages_that_are_not_there(self):
        self.refused([PDF], "page_out_of_range", pages="3-9")
        self.refused([PDF], "pages_invalid", pages="two")
        self.refused([PDF], "pages_invalid", pages="3-1")

    def test_a_file_name_is_never_a_command(self):
        entry = {**file_entry(PDF), "filename": "--help; rm -rf $(HOME).pdf"}
        answer = self.runner.run_one(files=[entry], parameters={"pages": "2"})
        self.assertEqual(answer.kind, "result", answer.message)

    def test_the_handler_lives_on_after_all_that(self):
        self.refused([self.file("broken.pdf", b"%PDF-")], "pdf_damaged")
        self.assertIsNone(self.runner.process.poll())


class Stopped(Exception):
    pass


def stop():
    raise Stopped


class Tools(unittest.TestCase):
    """What poppler's tools may do, shown with others that are easier to tell what to do."""

    def test_what_a_tool_says_is_kept_up_to_a_limit(self):
        self.assertEqual(len(poppler.call(["head", "-c", "3000000", "/dev/zero"], lambda: None)), 1 << 20)

    def test_a_tool_that_never_ends_is_stopped_with_its_job(self):
        for arguments in (["yes"], ["sleep", "1000"], ["sh", "-c", "exec >&- 2>&-; exec sleep 1000"]):
            checks = iter(range(5))
            with self.assertRaises(Stopped):
                poppler.call(arguments, lambda: next(checks, None) is None and stop())

    def test_counting_the_pages_stops_with_the_job(self):
        with self.assertRaises(Stopped):
            pdf_pages(types.SimpleNamespace(path=PDF, filename=PDF.name), {}, Path("/nonexistent"), stop)


def vector_pdf(width, height, pages=1, extra=b""):
    """A small PDF of empty pages, without a cross-reference table (poppler rebuilds it)."""
    kids = b" ".join(b"%d 0 R" % (number + 3) for number in range(pages))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] >>" % (width, height)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, pages)]
    objects += [page] * pages
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, text) for number, text in enumerate(objects, 1))
    return b"%PDF-1.4\n" + body + b"trailer << /Root 1 0 R /Size %d %s >>\n%%%%EOF\n" % (len(objects) + 1, extra)


#: Encrypted (40-bit RC4) with entries that no password fits.
LOCKED_PDF = vector_pdf(
    100,
    100,
    extra=b"/ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>] /Encrypt << /Filter /Standard "
    b"/V 1 /R 2 /P -4 /O <" + b"ab" * 32 + b"> /U <" + b"cd" * 32 + b"> >>",
)


if __name__ == "__main__":
    unittest.main()
