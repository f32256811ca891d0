"""rapidocr in this process, with the networks of Millrace's model."""

from rapidocr import RapidOCR


class Rapid:
    def __init__(self, settings):
        self.engine = RapidOCR(
            params={
                # Millrace has no such step; with it these pages are read slower, and worse.
                "Global.use_cls": False,
                "Global.log_level": "error",
                "Det.model_path": str(settings.model / "PP-OCRv6_det_small.onnx"),
                "Rec.model_path": str(settings.model / "PP-OCRv6_rec_small.onnx"),
                "EngineConfig.onnxruntime.intra_op_num_threads": settings.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, images):
        """The text of each page, its lines in rapidocr's own order."""
        return ["\n".join(self.engine(str(image)).txts or ()) for image in images]
