#!/usr/bin/env python3
"""Tiny models with odd ports. usage: make_fixtures.py OUT_DIR (needs the package onnx)"""
import sys
from onnx import TensorProto as T, checker, helper as h, numpy_helper, save
import numpy as np

def model(name, nodes, inputs, outputs, constants=()):
    io = lambda ports: [h.make_tensor_value_info(n, t, s) for n, t, s in ports]
    consts = [numpy_helper.from_array(np.asarray(v), n) for n, v in constants]
    m = h.make_model(h.make_graph(nodes, name, io(inputs), io(outputs), consts), opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    checker.check_model(m); save(m, f"{sys.argv[1]}/{name}.onnx")

n = h.make_node
axis1 = ("axis1", np.array([1], np.int64))
model("double", [n("Add", ["x", "x"], ["y"])], [("x", T.FLOAT, ["b", 3])], [("y", T.FLOAT, ["b", 3])])
model("single", [n("Add", ["x", "x"], ["y"])], [("x", T.FLOAT, [1, 3])], [("y", T.FLOAT, [1, 3])])
model("pair", [n("Add", ["x", "x"], ["y"])], [("x", T.FLOAT, [2, 3])], [("y", T.FLOAT, [2, 3])])
model("any-size", [n("Add", ["x", "x"], ["y"])], [("x", T.FLOAT, ["b", "n"])], [("y", T.FLOAT, ["b", "n"])])
model("total", [n("ReduceSum", ["x"], ["y"], keepdims=0)], [("x", T.FLOAT, ["b", 3])], [("y", T.FLOAT, [])])
model("total-single", [n("ReduceSum", ["x"], ["y"], keepdims=0)], [("x", T.FLOAT, [1, 3])], [("y", T.FLOAT, [])])
model("masked", [n("Mul", ["input_ids", "attention_mask"], ["m"]), n("ReduceSum", ["m", "axis1"], ["sum"])],
      [("input_ids", T.INT64, ["b", "s"]), ("attention_mask", T.INT64, ["b", "s"])], [("sum", T.INT64, ["b", 1])], [axis1])
model("unmasked", [n("Shape", ["input_ids"], ["s"]), n("Gather", ["s", "one"], ["length"]), n("ReduceSum", ["input_ids", "axis1"], ["sum"]), n("Mul", ["sum", "length"], ["y"])],
      [("input_ids", T.INT64, ["b", "s"])], [("y", T.INT64, ["b", 1])], [axis1, ("one", np.array([1], np.int64))])
model("picky", [n("Gather", ["table", "x"], ["y"])], [("x", T.INT64, ["b", 1])], [("y", T.FLOAT, ["b", 1])], [("table", np.array([1, 2, 3], np.float32))])
model("greedy", [n("ConstantOfShape", ["x"], ["y"])], [("x", T.INT64, ["b"])], [("y", T.FLOAT, ["i", "j", "k"])])
model("kinds", [n("Identity", ["a"], ["c"]), n("Identity", ["b"], ["d"]), n("Cast", ["a"], ["e"], to=T.DOUBLE)],
      [("a", T.INT32, ["n", 2]), ("b", T.UINT8, ["n", 2])], [("c", T.INT32, ["n", 2]), ("d", T.UINT8, ["n", 2]), ("e", T.DOUBLE, ["n", 2])])
model("scalar-input", [n("Mul", ["x", "k"], ["y"])], [("x", T.FLOAT, ["b", 1]), ("k", T.FLOAT, [])], [("y", T.FLOAT, ["b", 1])])
# As onnxruntime's quantize_dynamic makes it: the scale of x is chosen by the range of all that is in the call.
weights = ((np.arange(32).reshape(8, 4) * 37) % 255 - 127).astype(np.int8)
model("dynamic-int8", [n("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]), n("MatMulInteger", ["xq", "w", "xz", "wz"], ["i"]),
                       n("Cast", ["i"], ["f"], to=T.FLOAT), n("Mul", ["xs", "ws"], ["s"]), n("Mul", ["f", "s"], ["y"])],
      [("x", T.FLOAT, ["b", 8])], [("y", T.FLOAT, ["b", 4])],
      [("w", weights), ("wz", np.int8(0)), ("ws", np.float32(0.01))])

# The same in ONNX Runtime's own format, which is mapped into memory.
import onnxruntime
options = onnxruntime.SessionOptions()
options.optimized_model_filepath = f"{sys.argv[1]}/picky.ort"
options.add_session_config_entry("session.save_model_format", "ORT")
onnxruntime.InferenceSession(f"{sys.argv[1]}/picky.onnx", options, providers=["CPUExecutionProvider"])
