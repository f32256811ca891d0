"""A training run that can be stored after any epoch and goes on as if it had never stopped."""

import io
import json
import math
import time
import zipfile
import zlib

import numpy

from millrace import Failure

import dataset
from network import Network

_REPORT_SECONDS = 0.5
_TEST_BATCH = 1000


class DamagedCheckpoint(Exception):
    """A file that is not, or no longer, one of ``Training.saved``'s."""


class Training:
    def __init__(self, settings, data, network, history):
        self.settings = settings
        self.network = network
        self.history = history
        self._data = data
        self._reported_at = -math.inf

    @staticmethod
    def fresh(settings, data):
        hidden = [settings.hidden_units] * settings.hidden_layers
        sizes = [dataset.SIDE * dataset.SIDE, *hidden, len(dataset.LABELS)]
        return Training(settings, data, Network.fresh(sizes, _generator(settings, 0)), [])

    @staticmethod
    def restored(settings, data, path):
        """Raises ``DamagedCheckpoint`` for a file that is not one of ``saved``'s."""
        try:
            with numpy.load(path, allow_pickle=False) as stored:
                history = json.loads(stored["history"].tobytes())
                layers = sum(name.startswith("weight") for name in stored)
                lists = [[stored[f"{kind}{i}"] for i in range(layers)] for kind in ("weight", "bias")]
                velocities = [stored[f"velocity{i}"] for i in range(2 * layers)]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise DamagedCheckpoint(str(error)) from None
        return Training(settings, data, Network(*lists, velocities), history)

    @property
    def epoch(self):
        return len(self.history)

    def saved(self):
        """Everything that ``restored`` needs. Randomness needs nothing: each epoch's order follows from the seed."""
        arrays = {f"weight{i}": value for i, value in enumerate(self.network.weights)}
        arrays.update({f"bias{i}": value for i, value in enumerate(self.network.biases)})
        arrays.update({f"velocity{i}": value for i, value in enumerate(self.network.velocities)})
        arrays["history"] = numpy.frombuffer(json.dumps(self.history).encode(), numpy.uint8)
        buffer = io.BytesIO()
        numpy.savez(buffer, **arrays)
        return buffer.getvalue()

    def run_epoch(self, item):
        """One pass over the training images; stops between steps when the item is asked to."""
        started = time.monotonic()
        loss, right = self._learn(item)
        count = len(self._data.train_labels)
        record = {"epoch": self.epoch + 1, "loss": loss / count, "trainAccuracy": right / count}
        record["accuracy"] = self.test_accuracy()
        record["seconds"] = round(time.monotonic() - started, 3)
        if not math.isfinite(record["loss"]):
            raise Failure("training_diverged", "the loss is no longer a number", hint="Use a smaller learningRate.")
        self.history.append(record)

    def test_accuracy(self):
        images, labels = self._data.test_images, self._data.test_labels
        right = 0
        for start in range(0, len(labels), _TEST_BATCH):
            logits = self.network.logits(_scaled(images[start : start + _TEST_BATCH]))
            right += int((logits.argmax(1) == labels[start : start + _TEST_BATCH]).sum())
        return right / len(labels)

    def _learn(self, item):
        size, count = self.settings.batch_size, len(self._data.train_labels)
        order = _generator(self.settings, self.epoch + 1).permutation(count)
        loss, right = 0.0, 0
        for start in range(0, count, size):
            item.check()
            chosen = order[start : start + size]
            rate = self._rate(self.epoch + start / count)
            images = _scaled(self._data.train_images[chosen])
            batch_loss, batch_right = self.network.step(images, self._data.train_labels[chosen], rate)
            loss += batch_loss * len(chosen)
            right += batch_right
            seen = start + len(chosen)
            if seen < count:
                self._report(item, seen / count, loss / seen, right / seen)
        return loss, right

    def _rate(self, epochs):
        """Half a cosine, from the full rate at the start to zero at the end."""
        return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * epochs / self.settings.epochs))

    def _report(self, item, part, loss, accuracy):
        now = time.monotonic()
        if now - self._reported_at < _REPORT_SECONDS:
            return
        self._reported_at = now
        message = f"epoch {self.epoch + 1}: loss {loss:.3f}"
        done = round(self.epoch + part, 3)
        metrics = {"epoch": self.epoch + 1, "loss": loss, "trainAccuracy": accuracy}
        item.progress(done, self.settings.epochs, unit="epochs", message=message, **metrics)


def _generator(settings, stream):
    return numpy.random.default_rng([settings.seed, stream])


def _scaled(images):
    """uint8 to float32 in 0 ... 1."""
    return images.astype(numpy.float32) / numpy.float32(255)
