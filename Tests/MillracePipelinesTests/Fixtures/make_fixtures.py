#!/usr/bin/env python3
"""Classifiers whose scores are the values that they were given. usage: make_fixtures.py OUT_DIR (needs the package onnx)"""
import sys
from onnx import TensorProto as T, checker, helper as h, save

for name, shape in [("flat-nchw", [3, 2, 2]), ("flat-nhwc", [2, 2, 3])]:
    ports = [h.make_tensor_value_info("image", T.FLOAT, ["b", *shape])], [h.make_tensor_value_info("y", T.FLOAT, ["b", 12])]
    graph = h.make_graph([h.make_node("Flatten", ["image"], ["y"], axis=1)], name, *ports)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    save(model, f"{sys.argv[1]}/{name}.onnx")
