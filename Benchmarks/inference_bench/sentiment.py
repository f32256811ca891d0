"""Comments in a CSV file: as one job of Millrace, and in a Python loop over the same model."""

import csv
import io
import json
import random

import numpy
import yaml
from tokenizers import BertWordPieceTokenizer

from benchkit.models import EXAMPLES, ModelServer, session
from benchkit.progress import ProgressBar
from benchkit.trials import seconds_of


ENDPOINT, COLUMN, WARM_UP = "sentiment", "text", 200
REPEATS = 20


def comments(rows):
    """The demo's comments, each twenty times or more, shuffled, always in the same way; the first so many, as CSV."""
    with open(EXAMPLES / "comments-1000.csv", encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    lines *= max(REPEATS, -(-rows // len(lines)))
    random.Random(1).shuffle(lines)
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *lines[:rows]])
    return text.getvalue().encode()


class SentimentLoop:
    """Hugging Face tokenizers and ONNX Runtime, in the file's order, each batch as long as its longest text."""

    def __init__(self, settings):
        folder = settings.sentiment
        manifest = yaml.safe_load((folder / "model.yaml").read_text())
        files, options = manifest["files"], manifest["options"]
        self.tokenizer = BertWordPieceTokenizer(str(folder / files["vocab"]), lowercase=options["lowercase"])
        self.tokenizer.enable_truncation(options["tokensMax"])
        self.tokenizer.enable_padding()
        self.session = session(folder / files["model"], settings.threads)
        self.labels = (folder / files["labels"]).read_text().split()

    def table(self, table, batch):
        """The CSV file with the columns that Millrace adds."""
        header, *rows = csv.reader(io.StringIO(table.decode(), newline=""))
        texts = [row[header.index(COLUMN)] for row in rows]
        written = io.StringIO(newline="")
        writer = csv.writer(written)
        writer.writerow([*header, "sentiment", "sentiment_score"])
        for start in range(0, len(rows), batch):
            answers = self.answers(texts[start : start + batch])
            writer.writerows([*row, *answer] for row, answer in zip(rows[start : start + batch], answers))
        return written.getvalue().encode()

    def answers(self, texts):
        encoded = self.tokenizer.encode_batch(texts)
        inputs = {
            "input_ids": [one.ids for one in encoded],
            "attention_mask": [one.attention_mask for one in encoded],
            "token_type_ids": [one.type_ids for one in encoded],
        }
        (logits,) = self.session.run(None, {name: numpy.array(value, numpy.int64) for name, value in inputs.items()})
        odds = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        scores = odds.max(axis=1) / odds.sum(axis=1)
        return [(self.labels[index], f"{score:.6g}") for index, score in zip(logits.argmax(axis=1), scores)]


def run_job(settings, data, table):
    """Seconds from sending the file until its result is here, and the result. One warm worker."""
    with ModelServer(settings, data, ENDPOINT, settings.sentiment) as server:
        _through(server, comments(WARM_UP), None)
        return seconds_of(lambda: _through(server, table, ProgressBar("Millrace: rows", settings.rows)))


def _through(server, table, bar):
    connection = server.connection
    job = server.submit(connection, table, "text/csv", f"?filename=comments.csv&column={COLUMN}")
    while True:
        # Answers as soon as the job has ended; until then once a second, for the bar.
        status = json.loads(connection.wanted(200, "GET", f"/v1/jobs/{job}?wait=1"))
        if bar:
            bar.show(min(int((status.get("progress") or {}).get("done") or 0), bar.total))
        if status["state"] == "succeeded":
            return server.result(connection, job)
        if status["state"] not in ("queued", "running"):
            raise RuntimeError(f"the table's job is {status['state']}: {status.get('error')}")


def labels_of(table):
    """A row's id and its label, in the file's order."""
    reader = csv.DictReader(io.StringIO(table.decode(), newline=""))
    return [(row["id"], row["sentiment"]) for row in reader]
