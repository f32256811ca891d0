"""A multilayer perceptron with ReLU, trained by gradient descent with Nesterov momentum on cross entropy.

Initialization after He et al., "Delving Deep into Rectifiers" (2015).
"""

import numpy

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4


class Network:
    """``weights[i]`` is float32 `[in, out]`, ``biases[i]`` float32 `[out]`; velocities have the same shapes."""

    def __init__(self, weights, biases, velocities):
        self.weights = weights
        self.biases = biases
        self.velocities = velocities

    @staticmethod
    def fresh(sizes, generator):
        shapes = list(zip(sizes, sizes[1:]))
        weights = [(generator.standard_normal(s) * numpy.sqrt(2 / s[0])).astype(numpy.float32) for s in shapes]
        biases = [numpy.zeros(out, numpy.float32) for _, out in shapes]
        return Network(weights, biases, [numpy.zeros_like(p) for p in weights + biases])

    @property
    def parameters(self):
        return self.weights + self.biases

    def logits(self, images):
        return self._forward(images)[-1]

    def step(self, images, labels, rate):
        """One step on a batch: the mean loss before it, and how many labels were right."""
        activations = self._forward(images)
        probabilities = _softmax(activations[-1])
        rows = numpy.arange(len(labels))
        loss = float(-numpy.log(numpy.maximum(probabilities[rows, labels], 1e-12)).mean())
        right = int((probabilities.argmax(1) == labels).sum())
        probabilities[rows, labels] -= 1
        self._descend(self._gradients(activations, probabilities / len(labels)), numpy.float32(rate))
        return loss, right

    def _forward(self, images):
        activations = [images]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1]):
            activations.append(numpy.maximum(activations[-1] @ weight + bias, 0))
        activations.append(activations[-1] @ self.weights[-1] + self.biases[-1])
        return activations

    def _gradients(self, activations, upstream):
        weights, biases = [], []
        for layer in reversed(range(len(self.weights))):
            weights.insert(0, activations[layer].T @ upstream + numpy.float32(WEIGHT_DECAY) * self.weights[layer])
            biases.insert(0, upstream.sum(0))
            if layer:
                upstream = (upstream @ self.weights[layer].T) * (activations[layer] > 0)
        return weights + biases

    def _descend(self, gradients, rate):
        momentum = numpy.float32(MOMENTUM)
        for parameter, velocity, gradient in zip(self.parameters, self.velocities, gradients):
            velocity *= momentum
            velocity -= rate * gradient
            parameter += momentum * velocity - rate * gradient


def _softmax(logits):
    exponentials = numpy.exp(logits - logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)
