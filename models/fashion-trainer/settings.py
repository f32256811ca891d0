"""The parameters of a training job."""

import math
from dataclasses import dataclass

from millrace import Failure


@dataclass(frozen=True)
class Settings:
    epochs: int = 10
    learning_rate: float = 0.1
    batch_size: int = 64
    hidden_units: int = 256
    hidden_layers: int = 1
    train_samples: int = 60_000
    seed: int = 1

    @staticmethod
    def read(parameters):
        """The gateway has checked types and ranges by `model.yaml`; this holds where there is no gateway, too."""
        return Settings(
            epochs=_integer(parameters, "epochs", Settings.epochs, 1, 500),
            learning_rate=_number(parameters, "learningRate", Settings.learning_rate, 1e-5, 10),
            batch_size=_integer(parameters, "batchSize", Settings.batch_size, 1, 10_000),
            hidden_units=_integer(parameters, "hiddenUnits", Settings.hidden_units, 1, 4096),
            hidden_layers=_integer(parameters, "hiddenLayers", Settings.hidden_layers, 1, 4),
            train_samples=_integer(parameters, "trainSamples", Settings.train_samples, 1, 1_000_000),
            seed=_integer(parameters, "seed", Settings.seed, 0, 2**32 - 1),
        )


def _number(parameters, name, default, low, high):
    value = parameters.get(name, default)
    valid = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not valid or not low <= value <= high:
        raise Failure("parameter_invalid", f"{name} is {value!r}", hint=f"It is a number from {low} to {high}.")
    return float(value)


def _integer(parameters, name, default, low, high):
    value = _number(parameters, name, default, low, high)
    if value != int(value):
        raise Failure("parameter_invalid", f"{name} is {value!r}", hint="It is a whole number.")
    return int(value)
