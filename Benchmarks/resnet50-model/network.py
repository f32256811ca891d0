"""ResNet-50 in PyTorch alone, and the loop from photos to classes that is measured with and without Millrace.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (2015); the stride is in the 3 x 3 convolution, as in
torchvision. The weights are by chance: the answers mean nothing, the work is that of a trained network.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image
from torch import nn

#: Blocks of each stage, and their inner width.
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
EXPANSION, CLASSES, SIZE = 4, 1000, 224


def convolution(inputs, outputs, kernel, stride=1):
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = width * EXPANSION
        self.body = nn.Sequential(
            convolution(inputs, width, 1),
            nn.ReLU(inplace=True),
            convolution(width, width, 3, stride),
            nn.ReLU(inplace=True),
            convolution(width, outputs, 1),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet50():
    layers = [convolution(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, (blocks, width) in enumerate(STAGES):
        for block in range(blocks):
            layers.append(Bottleneck(inputs, width, 2 if stage > 0 and block == 0 else 1))
            inputs = width * EXPANSION
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


class Classifier:
    """On the GPU in half precision where there is one, else on the CPU."""

    def __init__(self):
        torch.manual_seed(1)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.kind = torch.float16 if self.device.type == "cuda" else torch.float32
        network = resnet50().eval().to(self.device, self.kind, memory_format=torch.channels_last)
        self.network = network.requires_grad_(False)
        self.decoders = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    @torch.inference_mode()
    def classify(self, paths):
        """The best class of each photo, all of them in one call of the network."""
        photos = torch.stack(list(self.decoders.map(decode, paths)))
        photos = photos.to(self.device).permute(0, 3, 1, 2).to(self.kind, memory_format=torch.channels_last)
        return self.network(photos.sub_(127.5).div_(127.5)).argmax(dim=1).tolist()


def decode(path):
    """The middle of a photo, [SIZE, SIZE, 3] bytes."""
    with Image.open(path) as photo:
        width, height = photo.size
        side = min(width, height)
        box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
        square = photo.convert("RGB").resize((SIZE, SIZE), Image.BILINEAR, box=box)
    return torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8).view(SIZE, SIZE, 3)
