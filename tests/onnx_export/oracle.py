"""Runs exported models in ONNX Runtime and compares their results with the expected ones.

    python oracle.py FOLDER

FOLDER holds manifest.json, data.bin (all tensors, back to back) and the models. Prints one line per
model that fails, one per reason for a skip, and a summary; exits with 1 when a model fails.
Models whose case says "run": false are only checked, with the strict shape inference.
"""

import collections
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort

DTYPES = {"bool": np.bool_, "u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16,
          "u32": np.uint32, "i32": np.int32, "u64": np.uint64, "i64": np.int64,
          "f32": np.float32, "f64": np.float64}


class Skip(Exception):
    pass


def tensor(data, spec):
    dtype = np.dtype(DTYPES[spec["dtype"]])
    raw = data[spec["offset"]:spec["offset"] + spec["bytes"]]
    return np.frombuffer(raw, dtype=dtype).reshape(spec["sizes"])


def check(model):
    """The reference checker, and inference that must agree with every type the model states."""
    onnx.checker.check_model(model, full_check=False)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True,
                                                 data_prop=True)
    stated = {v.name: v.type.tensor_type for v in model.graph.output}
    for value in inferred.graph.output:
        have, want = value.type.tensor_type, stated[value.name]
        if have.elem_type != want.elem_type or len(have.shape.dim) != len(want.shape.dim):
            raise AssertionError(f"output {value.name} is inferred as {have}, stated as {want}")


def compare(name, got, want, rtol, atol):
    if got.dtype != want.dtype or got.shape != want.shape:
        raise AssertionError(f"{name}: got {got.dtype}{list(got.shape)}, "
                             f"expected {want.dtype}{list(want.shape)}")
    if want.dtype.kind == "f":
        np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, err_msg=name)
    else:
        np.testing.assert_array_equal(got, want, err_msg=name)


def run(case, path, data, options):
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as e:  # noqa: BLE001
        if "NOT_IMPLEMENTED" in str(e) and not case["must_run"]:
            raise Skip(str(e).split("NOT_IMPLEMENTED")[1].strip(" :")) from None
        raise
    known = {i.name for i in session.get_inputs()}
    inputs = {s["name"]: tensor(data, s) for s in case["inputs"] if s["name"] in known}
    results = session.run([s["name"] for s in case["outputs"]], inputs)
    for spec, got in zip(case["outputs"], results):
        compare(spec["name"], np.asarray(got), tensor(data, spec), case["rtol"], case["atol"])


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as f:
        cases = json.load(f)
    with open(os.path.join(folder, "data.bin"), "rb") as f:
        data = f.read()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # The operators as written, not what an optimiser makes of them.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    failed, ran, skips = 0, 0, collections.Counter()
    newest = onnx.defs.onnx_opset_version()
    for case in cases:
        path = os.path.join(folder, case["model"])
        try:
            if case["opset"] <= newest:
                check(onnx.load(path))
            if case["run"]:
                run(case, path, data, options)
            ran += 1
        except Skip as e:
            skips[str(e)] += 1
        except Exception as e:  # noqa: BLE001
            failed += 1
            text = " ".join(str(e).split())
            print(f"FAIL {case['name']}: {type(e).__name__}: {text[:400]}")
    for reason, count in sorted(skips.items()):
        print(f"skipped {count}: {reason[:200]}")
    print(f"models: {ran} passed, {failed} failed, {sum(skips.values())} skipped")
    sys.exit(1 if failed else 0)


main()
