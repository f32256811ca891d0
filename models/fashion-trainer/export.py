"""What a finished training hands out: the network as ONNX, how it got there, and a manifest to serve it with."""

import json

import onnx
from onnx import TensorProto, helper, numpy_helper

from millrace import Output, Result

import dataset

_OPSET, _IR_VERSION = 13, 8

_MANIFEST = """\
name: fashion-mnist
description: Fashion-MNIST classifier trained by fashion-trainer (test accuracy {accuracy:.2%})
license: Apache-2.0
runner: onnx
pipeline: tensors
files: {{ model: model.onnx }}
accepts: [application/json]
itemsMax: 64
"""


def result(training, workdir):
    """``model.onnx``, ``metrics.json`` and ``model.yaml``, with the last metrics and the history as the JSON result."""
    last = training.history[-1]
    summary = {
        "accuracy": last["accuracy"],
        "loss": last["loss"],
        "epochs": training.epoch,
        "parameters": int(sum(p.size for p in training.network.parameters)),
        "labels": list(dataset.LABELS),
        "history": training.history,
    }
    onnx.save(onnx_model(training.network), workdir / "model.onnx")
    (workdir / "metrics.json").write_text(json.dumps(summary, indent=2))
    (workdir / "model.yaml").write_text(_MANIFEST.format(**last))
    outputs = [
        Output(workdir / "model.onnx", "application/octet-stream"),
        Output(workdir / "metrics.json", "application/json"),
        Output(workdir / "model.yaml", "application/yaml"),
    ]
    return Result(summary, outputs)


def onnx_model(network):
    """`image` float32 [batch, 1, 28, 28] in 0 ... 1 -> `logits` float32 [batch, 10]."""
    nodes, tensors = [helper.make_node("Flatten", ["image"], ["layer0"], axis=1)], []
    last = len(network.weights) - 1
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases)):
        names = [f"weight{layer}", f"bias{layer}"]
        tensors += [numpy_helper.from_array(value, name) for value, name in zip((weight, bias), names)]
        product = "logits" if layer == last else f"sum{layer}"
        nodes.append(helper.make_node("Gemm", [f"layer{layer}", *names], [product]))
        if layer < last:
            nodes.append(helper.make_node("Relu", [product], [f"layer{layer + 1}"]))
    side = dataset.SIDE
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, side, side])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(dataset.LABELS)])
    graph = helper.make_graph(nodes, "fashion-mnist", [image], [logits], tensors)
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, producer_name="millrace", opset_imports=opsets, ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    return model
