"""OCR of PDF files and images with PP-OCRv6: every page's lines, with confidence and polygon, and the plain text."""

import json

from millrace import Output, Result, handler

import documents
import limits
from recognizer import Recognizer

recognizer = Recognizer()


def load():
    limits.prepare_decoders()
    recognizer.load()


@handler(setup=load)
def read(batch):
    return [read_job(item) for item in batch]


def read_job(item):
    """One page is in memory at a time; after each a checkpoint, so that a later attempt starts at the next page."""
    pages = documents.open_all(item.files, item.parameters, item.workdir, item.check)
    done = earlier_pages(item)
    for number, page in enumerate(pages[len(done) :], start=len(done) + 1):
        item.progress(number - 1, len(pages), unit="pages", message=page.title)
        done.append({"file": page.filename, "page": page.number, **recognizer.read(page.image(item.check))})
        if number < len(pages):
            item.save_checkpoint(json.dumps(done).encode(), {"page": number})
    item.progress(len(pages), len(pages), unit="pages")
    return result(done, item.workdir)


def earlier_pages(item):
    """The pages that an earlier attempt has read."""
    if item.checkpoint is None:
        return []
    pages = json.loads(item.checkpoint.path.read_bytes())
    item.log(f"going on after page {len(pages)}")
    return pages


def result(pages, workdir):
    document, text = workdir / "result.json", workdir / "text.txt"
    with document.open("w", encoding="utf-8") as file:
        json.dump({"pages": pages}, file, ensure_ascii=False)
    text.write_text("\f".join(page["text"] + "\n" for page in pages), encoding="utf-8")
    return Result(outputs=[Output(document, "application/json"), Output(text, "text/plain; charset=utf-8")])


if __name__ == "__main__":
    read.serve()
