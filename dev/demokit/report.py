"""Prints the results of the demo's jobs for people, and refuses those that are not what they should be."""

import collections
import csv
import io
import json

from .chart import curve
from .progress import bar
from .server import DemoFailure

_LINES_PER_PAGE, _ROWS, _WIDTH = 6, 6, 100


def heading(text):
    print(f"\n{text}\n{'-' * len(text)}")


def pages(content, expected):
    found = json.loads(content)["pages"]
    _demand(len(found) == expected, f"OCR read {len(found)} pages, not {expected}")
    _demand(all(page["lines"] for page in found), "OCR found a page without text")
    for page in found:
        lines = page["text"].splitlines()
        confidence = sum(line["confidence"] for line in page["lines"]) / len(page["lines"])
        print(f"page {page['page']} ({len(page['lines'])} lines, mean confidence {confidence:.3f})")
        for line in lines[:_LINES_PER_PAGE]:
            print("  | " + line.replace("\t", "   ")[:_WIDTH])
        if len(lines) > _LINES_PER_PAGE:
            print(f"  | ... {len(lines) - _LINES_PER_PAGE} more")


def photos(content, expected):
    images = json.loads(content)["images"]
    _demand(len(images) == expected, f"{len(images)} photos were classified, not {expected}")
    for image in images:
        _demand(image["classes"], f"{image['file']} has no classes")
        for rank, found in enumerate(image["classes"][:3]):
            name = image["file"] if rank == 0 else ""
            print(f"  {name:<14} {bar(found['probability'], 20)} {found['probability']:6.1%}  {found['label']}")


def comments(content, expected):
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    _demand(len(rows) == expected, f"{len(rows)} rows came back, not {expected}")
    _demand("sentiment" in rows[0], f"the result has no column sentiment, only {', '.join(rows[0])}")
    print(f"  {'people':<9} {'model':<9} {'score':>6}  text")
    for row in rows[:_ROWS]:
        text = row["text"] if len(row["text"]) <= 70 else row["text"][:67] + "..."
        print(f"  {row['label']:<9} {row['sentiment']:<9} {float(row['sentiment_score']):6.3f}  {text}")
    totals = collections.Counter(row["sentiment"] for row in rows)
    agreed = sum(row["label"] == row["sentiment"] for row in rows)
    print(f"  {len(rows)} comments: " + ", ".join(f"{count} {label}" for label, count in totals.most_common()))
    print(f"  agreement with the human ratings: {agreed / len(rows):.1%}")


def training(content, outputs):
    summary = json.loads(content)
    history = summary["history"]
    _demand(history, "the training has no history")
    curve([record["accuracy"] for record in history], "test accuracy per epoch")
    print(f"  {summary['parameters']:,} parameters, test accuracy {summary['accuracy']:.1%}, files:", end=" ")
    print(", ".join(f"{output['name']} ({output['bytes']:,} bytes)" for output in outputs))


def timings(titles, jobs):
    print(f"  {'job':<10} {'waited':>8} {'of it cold start':>17} {'ran':>8}")
    for title, job in zip(titles, jobs):
        timing = job["timing"]
        waited, cold, ran = (_seconds(timing.get(f"{name}Seconds")) for name in ("wait", "coldStart", "run"))
        print(f"  {title:<10} {waited:>8} {cold:>17} {ran:>8}")


def _seconds(value):
    return "-" if value is None else f"{value:.2f} s"


def _demand(condition, message):
    if not condition:
        raise DemoFailure(message)
