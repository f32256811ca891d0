"""The photo classifier in bare Python, Pillow and ONNX Runtime: the loop beside Millrace, and LitServe's model."""

import numpy
import yaml
from PIL import Image

from benchkit.models import session


class Classifier:
    """Does what the folder's `model.yaml` says."""

    def __init__(self, folder, threads):
        manifest = yaml.safe_load((folder / "model.yaml").read_text())
        options = manifest["options"]
        self.size, self.fraction = options["size"], options["cropFraction"]
        self.mean, self.scale = (numpy.array(options[name], numpy.float32) for name in ("mean", "scale"))
        self.session = session(folder / manifest["files"]["model"], threads)
        self.input = self.session.get_inputs()[0].name

    def tensor(self, file):
        """A photo, from a path or a file, as the model takes it."""
        with Image.open(file) as photo:
            width, height = photo.size
            side = min(width, height) * self.fraction
            box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
            # Most photos are RGB already; turning those into RGB would copy them.
            pixels = photo if photo.mode == "RGB" else photo.convert("RGB")
            square = pixels.resize((self.size, self.size), Image.BICUBIC, box=box)
        return ((numpy.asarray(square, numpy.float32) - self.mean) / self.scale).transpose(2, 0, 1)

    def classes(self, tensors):
        """The best class of each of a batch."""
        return self.session.run(None, {self.input: tensors})[0].argmax(axis=1).tolist()

    def classify(self, paths, batch):
        found = []
        for start in range(0, len(paths), batch):
            found += self.classes(numpy.stack([self.tensor(path) for path in paths[start : start + batch]]))
        return found
