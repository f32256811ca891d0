"""Photos to classify: parts of the demo's real ones, mirrored, scaled and lit in other ways, the same in every run."""

import random

from PIL import Image, ImageEnhance, ImageOps

from benchkit.models import EXAMPLES
from benchkit.progress import ProgressBar

WIDTH, QUALITY = 640, 85


def make_photos(folder, count):
    """Paths of so many JPEG files. They are made once for a benchmark and belong to it."""
    folder.mkdir(exist_ok=True)
    sources = [Image.open(path).convert("RGB") for path in sorted((EXAMPLES / "photos").glob("*.[jp]*g"))]
    paths = [folder / f"photo-{number:04}.jpg" for number in range(count)]
    bar = ProgressBar("making photos", count)
    for number, path in enumerate(paths):
        if not path.exists():
            varied(sources[number % len(sources)], random.Random(number)).save(path, quality=QUALITY)
        bar.step()
    return paths


def varied(photo, chance):
    part = chance.uniform(0.6, 1)
    width, height = int(photo.width * part), int(photo.height * part)
    left, top = chance.randint(0, photo.width - width), chance.randint(0, photo.height - height)
    photo = photo.resize(
        (WIDTH, round(WIDTH * height / width)), Image.BICUBIC, box=(left, top, left + width, top + height)
    )
    if chance.random() < 0.5:
        photo = ImageOps.mirror(photo)
    return ImageEnhance.Brightness(photo).enhance(chance.uniform(0.8, 1.2))
