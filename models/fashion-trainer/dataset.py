"""Fashion-MNIST in the IDX format: from Debian's package, or uploaded with the job.

Format: two zero bytes, 8 (unsigned byte), the number of axes, a big-endian 32-bit length for each, then the values.
"""

import gzip
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy

from millrace import Failure

DIRECTORY = Path(os.environ.get("MILLRACE_FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
LABELS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
SIDE = 28

_PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_BYTES_MAX = 1 << 30


@dataclass(frozen=True)
class Dataset:
    """Images are uint8 `[n, 784]`, labels int64 `[n]` in 0 ..< 10."""

    train_images: numpy.ndarray
    train_labels: numpy.ndarray
    test_images: numpy.ndarray
    test_labels: numpy.ndarray


def load(files, train_samples):
    """Uploaded files stand in for those of the package, part by part. Raises ``Failure`` when one is missing."""
    arrays = [_read(_find(part, files), axes) for part, axes in zip(_PARTS, (3, 1, 3, 1))]
    train = _pair(arrays[0], arrays[1], "train")
    test = _pair(arrays[2], arrays[3], "t10k")
    return Dataset(train[0][:train_samples], train[1][:train_samples], *test)


def _find(part, files):
    for file in files:
        if file.filename.startswith(part):
            return file.path
    for path in (DIRECTORY / f"{part}.gz", DIRECTORY / part):
        if path.is_file():
            return path
    raise Failure(
        "dataset_missing",
        f"there is no {part} in {DIRECTORY}",
        hint="Install the Debian package dataset-fashion-mnist, or upload the four IDX files with the job.",
    )


def _read(path, axes):
    try:
        with _opened(path) as file:
            return _parse(file, axes)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise Failure("dataset_damaged", f"an IDX file cannot be read: {error}", hint="Upload it again.") from None


def _opened(path):
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else open(path, "rb")


def _parse(file, axes):
    """Reads as much as the header promises, so that a small file cannot unpack into an endless one."""
    magic = file.read(4)
    if magic != bytes((0, 0, 8, axes)):
        raise ValueError(f"it starts with {magic.hex()}")
    shape = struct.unpack(f">{axes}I", file.read(4 * axes))
    count = int(numpy.prod(shape, dtype=object))
    if count > _BYTES_MAX:
        raise ValueError(f"its header promises {count} bytes")
    values = file.read(count)
    if len(values) < count:
        raise ValueError("it ends early")
    return numpy.frombuffer(values, numpy.uint8).reshape(shape)


def _pair(images, labels, name):
    fits = images.shape[1:] == (SIDE, SIDE) and len(images) == len(labels) > 0 and labels.max() < len(LABELS)
    if not fits:
        raise Failure(
            "dataset_damaged",
            f"the {name} images and labels do not belong together",
            hint=f"Images are {SIDE} x {SIDE}, labels 0 to 9, and there are as many of one as of the other.",
        )
    return images.reshape(len(images), SIDE * SIDE), labels.astype(numpy.int64)
