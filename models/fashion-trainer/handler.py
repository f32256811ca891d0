"""Trains a classifier on Fashion-MNIST: progress within epochs, a checkpoint after each, an ONNX model at the end."""

import os

# Before NumPy is imported, which reads them once.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    if os.environ.get("MILLRACE_THREADS"):
        os.environ.setdefault(variable, os.environ["MILLRACE_THREADS"])

from millrace import handler  # noqa: E402

import dataset  # noqa: E402
import export  # noqa: E402
from settings import Settings  # noqa: E402
from training import DamagedCheckpoint, Training  # noqa: E402


@handler
def train(batch):
    return [train_job(item) for item in batch]


def train_job(item):
    settings = Settings.read(item.parameters)
    item.progress(0, settings.epochs, unit="epochs", message="reading the data set")
    data = dataset.load(item.files, settings.train_samples)
    training = begin(item, settings, data)
    while training.epoch < settings.epochs:
        training.run_epoch(item)
        report(item, training)
        if training.epoch < settings.epochs:
            item.save_checkpoint(training.saved(), {"epoch": training.epoch})
    return export.result(training, item.workdir)


def begin(item, settings, data):
    """A fresh training, or one that goes on where an earlier attempt was stored."""
    if item.checkpoint is None:
        return Training.fresh(settings, data)
    try:
        training = Training.restored(settings, data, item.checkpoint.path)
    except DamagedCheckpoint as error:
        # Every attempt would be given the same file, so refusing it would only lose the job.
        item.log(f"the checkpoint cannot be read ({error}); starting afresh", level="warning")
        return Training.fresh(settings, data)
    item.log(f"going on after epoch {training.epoch}")
    return training


def report(item, training):
    last = training.history[-1]
    item.log("epoch {epoch}: loss {loss:.4f}, test accuracy {accuracy:.4f}".format(**last))
    metrics = {name: last[name] for name in ("epoch", "loss", "accuracy")}
    item.progress(training.epoch, training.settings.epochs, unit="epochs", message=describe(last), **metrics)


def describe(record):
    return "loss {loss:.3f}, accuracy {accuracy:.1%}".format(**record)


if __name__ == "__main__":
    train.serve()
