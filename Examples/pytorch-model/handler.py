"""How sharp photos are: the variance of their Laplacian, for a whole batch in one call of PyTorch.

Source: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy (2000). No weights are needed, so the answers can be checked; put
your network in the place of `Sharpness`.
"""

import os

from millrace import Result, Tensor, handler

network = None


def load():
    global network
    import torch
    from torch import nn

    class Sharpness(nn.Module):
        """uint8 [batch, height, width, 3] to float32 [batch, height - 2, width - 2]: gray, then the Laplacian."""

        def __init__(self):
            super().__init__()
            self.register_buffer("gray", torch.tensor([0.299, 0.587, 0.114]))
            self.laplacian = nn.Conv2d(1, 1, 3, bias=False)
            self.laplacian.weight = nn.Parameter(
                torch.tensor([[[[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]]]), requires_grad=False)

        def forward(self, photos):
            return self.laplacian((photos.float() @ self.gray).unsqueeze(1)).squeeze(1)

    if threads := int(os.environ.get("MILLRACE_THREADS", "0")):
        torch.set_num_threads(threads)
    wanted = os.environ.get("MILLRACE_DEVICE", "auto")
    # The worker sees one GPU alone, whichever it is: here it is the first.
    device = "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"
    if wanted == "gpu" and device == "cpu":
        raise RuntimeError("device: gpu, but PyTorch finds none")
    network = Sharpness().to(device).eval()


@handler(batch_max=32, setup=load)
def sharpness(batch):
    import torch

    # Decoded, upright and 256 x 256 already, in memory that Millrace shares: nothing is read or decoded here.
    photos = torch.stack([torch.frombuffer(file.image.pixels, dtype=torch.uint8).view(file.image.shape)
                          for item in batch for file in item.files])
    with torch.inference_mode():
        edges = network(photos.to(network.gray.device)).cpu()
    answers, place = [], 0
    for item in batch:
        own = edges[place : place + len(item.files)]
        place += len(item.files)
        photos_of_item = [
            {"file": file.filename, "sharpness": round(float(map.var()), 2)} for file, map in zip(item.files, own)]
        maps = [Tensor(own.numpy(), "edges")] if item.parameters.get("edges") else []
        answers.append(Result({"photos": photos_of_item}, maps))
    return answers


if __name__ == "__main__":
    sharpness.serve()
