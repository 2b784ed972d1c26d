#!/usr/bin/env python3
"""An ONNX file against other engines: the ONNX checker, then ONNX Runtime against given outputs.

    check_onnx.py MODEL [--input NAME=FILE]... [--expect FILE] [--labels FILE] [--rtol R] [--atol A]

FILE is x.npy, arrays.npz, or arrays.npz:KEY for one array of it. Expected outputs are compared by
name, or, with a KEY, with the only output. Prints one line per output; exits with 1 when an output
differs by more than A + R * |expected|, or when its argmax over the last axis does. With labels,
prints the accuracy of the first output.
"""

import argparse
import sys

import numpy as np
import onnx
import onnxruntime


def load_array(text):
    """The array of x.npy or arrays.npz:KEY."""
    path, _, key = text.partition(".npz:")
    return np.load(path + ".npz", allow_pickle=False)[key] if key else np.load(path, allow_pickle=False)


def load_inputs(pairs):
    return {name: load_array(text) for name, _, text in (pair.partition("=") for pair in pairs)}


def compare(name, got, want, rtol, atol):
    """Prints the largest difference; whether `got` is close enough to `want`."""
    if got.shape != want.shape or got.dtype != want.dtype:
        print(f"{name}: got {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}")
        return False
    if got.size == 0:
        print(f"{name}: empty")
        return True
    close = np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    largest = np.nanmax(np.abs(got.astype(np.float64) - want.astype(np.float64)))
    line = f"{name}: {want.dtype}{list(want.shape)} largest difference {largest:.3g}"
    same_choice = True
    if want.ndim > 0 and np.issubdtype(want.dtype, np.floating):
        same = np.mean(got.argmax(-1) == want.argmax(-1))
        same_choice = same == 1
        line += f", same argmax {100 * same:.2f} %"
    print(line)
    return bool(close and same_choice)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("model")
    options.add_argument("--input", action="append", default=[], metavar="NAME=FILE")
    options.add_argument("--expect", metavar="FILE")
    options.add_argument("--labels", metavar="FILE")
    options.add_argument("--rtol", type=float, default=1e-4)
    options.add_argument("--atol", type=float, default=1e-5)
    args = options.parse_args()

    model = onnx.load(args.model)
    onnx.checker.check_model(model, full_check=True)
    opset = max(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    print(f"{args.model}: valid, opset {opset}, IR {model.ir_version}, {len(model.graph.node)} nodes")
    if not args.expect:
        return 0

    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    outputs = [o.name for o in session.get_outputs()]
    results = dict(zip(outputs, session.run(outputs, load_inputs(args.input))))
    if ".npz:" in args.expect:
        expected = {outputs[0]: load_array(args.expect)}
    else:
        expected = dict(np.load(args.expect, allow_pickle=False))
    absent = sorted(set(expected) ^ set(outputs))
    if absent:
        print(f"outputs differ in name: {', '.join(absent)}")
        return 1
    good = [compare(n, results[n], expected[n], args.rtol, args.atol) for n in outputs]
    if args.labels:
        right = np.mean(results[outputs[0]].argmax(-1) == load_array(args.labels))
        print(f"accuracy in ONNX Runtime {100 * right:.2f} %")
    return 0 if all(good) else 1


sys.exit(main())
