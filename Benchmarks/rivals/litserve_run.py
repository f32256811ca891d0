"""LitServe with the photo classifier. A photo is the body of a request, the cheapest way that LitServe has for bytes:
its form is parsed by a package of its own, its JSON would be base64."""

import io
import os
from pathlib import Path
from typing import Annotated

import litserve
from fastapi import Body

from inference_bench.classifier import Classifier

PORT, WORKERS, BATCH, THREADS = (int(os.environ[f"BENCH_{name}"]) for name in ("PORT", "WORKERS", "BATCH", "THREADS"))


class Classify(litserve.LitAPI):
    def setup(self, device):
        self.classifier = Classifier(Path(os.environ["BENCH_MODEL"]), THREADS)

    def decode_request(self, request: Annotated[bytes, Body()]):
        return self.classifier.tensor(io.BytesIO(request))

    def predict(self, tensors):
        # Without batches it is one photo's tensor.
        return self.classifier.classes(tensors) if BATCH > 1 else self.classifier.classes(tensors[None])[0]

    def encode_response(self, index):
        return {"index": index}


if __name__ == "__main__":
    # With no time to wait at all, a worker with batches would keep a core busy by asking its queue.
    api = Classify(max_batch_size=BATCH, batch_timeout=0.01 if BATCH > 1 else 0)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=WORKERS, timeout=300)
    server.run(host="127.0.0.1", port=PORT, log_level="warning", generate_client_file=False)
