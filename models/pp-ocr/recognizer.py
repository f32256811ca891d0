"""PP-OCRv6 through rapidocr: text lines of one image, in reading order."""

import os
from pathlib import Path

import numpy

import reading_order

#: rapidocr scales the long side down to this. Scaling by whole numbers before that keeps more and needs less memory.
_SIDE_MAX = 2000

_DIRECTORY = Path(__file__).resolve().parent


class Recognizer:
    def __init__(self):
        self._engine = None

    def load(self):
        """Loads both networks, and runs each once, so that the first page is as fast as the second."""
        from rapidocr import RapidOCR

        self._engine = RapidOCR(params=_settings())
        blank = numpy.full((64, 320, 3), 255, numpy.uint8)
        self._engine(blank)
        self._engine(blank, use_det=False)

    def read(self, image):
        """The lines of an RGB image: text, confidence (0 ... 1) and polygon (4 corners in pixels of that image)."""
        reduction = max(1, max(image.size) // _SIDE_MAX)
        pixels = numpy.asarray(image.reduce(reduction) if reduction > 1 else image)
        found = self._engine(numpy.ascontiguousarray(pixels[:, :, ::-1]), use_det=True)
        rows = reading_order.rows(_lines(found, reduction))
        return {
            "width": image.width,
            "height": image.height,
            "lines": [line for row in rows for line in row],
            "text": "\n".join("\t".join(line["text"] for line in row) for row in rows),
        }


def _settings():
    threads = int(os.environ.get("MILLRACE_THREADS") or len(os.sched_getaffinity(0)))
    return {
        # The orientation classifier turns some upright lines upside down: without it these pages are read better.
        "Global.use_cls": False,
        "Global.log_level": "error",
        "Det.model_path": str(_DIRECTORY / "PP-OCRv6_det_small.onnx"),
        "Rec.model_path": str(_DIRECTORY / "PP-OCRv6_rec_small.onnx"),
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }


def _lines(found, reduction):
    if found.txts is None or found.boxes is None:
        return []
    return [
        {
            "text": text,
            "confidence": round(float(score), 4),
            "polygon": [[round(float(x) * reduction, 1), round(float(y) * reduction, 1)] for x, y in box],
        }
        for text, score, box in zip(found.txts, found.scores, found.boxes)
    ]
