// Control flow: operators whose attributes are the graphs they run. A graph takes the node's
// operands as its inputs, in order; it has neither state nor guards, and its symbolic sizes are
// those of the graph around it.
#pragma once

#include "ir/op.h"

namespace etch::ir {

/// A function of the program: the results of `body` on the operands.
struct CallFunction : Control {
  struct Attrs {
    GraphRef body;
    static constexpr auto fields() { return std::tuple{field("body", &Attrs::body)}; }
  };
  static constexpr OpInfo info{
      .name = "call", .doc = "a function of the program", .onnx = kViaBody, .generate_api = false};
  static void infer(const Infer& c, Types& out);
  static Vars body(const Call& c);
  static Grads vjp(const Call& c);
};

/// The first operand, one bool, chooses between two graphs that take the other operands and have
/// results of the same types. Only the chosen one runs.
struct Cond : Control {
  struct Attrs {
    GraphRef yes, no;
    static constexpr auto fields() {
      return std::tuple{field("yes", &Attrs::yes), field("no", &Attrs::no)};
    }
  };
  static constexpr OpInfo info{.name = "cond",
                               .doc = "one of two graphs, chosen by a value",
                               .onnx = kNoOnnx("graphs inside graphs are not exported yet"),
                               .generate_api = false};
  static void infer(const Infer& c, Types& out);
  static Grads vjp(const Call& c);
};

/// Runs `body` while `condition` gives true. The first `carried` operands are the values carried
/// from trip to trip, the others stay the same; both graphs take all of them. Results: the carried
/// values at the end, the number of trips (i64) and, with `keep`, the carried values that each trip
/// found, stacked along a new first axis of size `most` (zeros for trips that did not happen).
/// `most` trips are allowed when it is not 0; one more is a UserError. Gradients need such a bound.
struct WhileLoop : Control {
  struct Attrs {
    GraphRef condition, body;
    int64_t carried = 0;
    int64_t most = 0;
    bool keep = false;
    static constexpr auto fields() {
      return std::tuple{field("condition", &Attrs::condition), field("body", &Attrs::body),
                        field("carried", &Attrs::carried), field("most", &Attrs::most),
                        field("keep", &Attrs::keep)};
    }
  };
  static constexpr OpInfo info{.name = "while_loop",
                               .doc = "a graph repeated while another gives true",
                               .onnx = kNoOnnx("graphs inside graphs are not exported yet"),
                               .generate_api = false};
  static void infer(const Infer& c, Types& out);
  static Grads vjp(const Call& c);
};

/// Runs `body` once for each index along the first axis of sequences of `length` elements, last
/// index first with `reverse`. Operands: `carried` values carried from step to step, `sequences`
/// sequences, of which the body takes one element each, and values that stay the same. The body's
/// results: the next carried values, then elements of the resulting sequences. Results: the carried
/// values at the end, the sequences and, with `keep`, the carried values that each step found.
struct Scan : Control {
  struct Attrs {
    GraphRef body;
    int64_t carried = 0;
    int64_t sequences = 0;
    Shape length;  // one entry
    bool reverse = false;
    bool keep = false;
    static constexpr auto fields() {
      return std::tuple{field("body", &Attrs::body),           field("carried", &Attrs::carried),
                        field("sequences", &Attrs::sequences), field("length", &Attrs::length),
                        field("reverse", &Attrs::reverse),     field("keep", &Attrs::keep)};
    }
  };
  static constexpr OpInfo info{.name = "scan",
                               .doc = "a graph run along sequences, carrying values",
                               .onnx = kNoOnnx("graphs inside graphs are not exported yet"),
                               .generate_api = false};
  static void infer(const Infer& c, Types& out);
  static Grads vjp(const Call& c);
};

using ControlOps = OpList<CallFunction, Cond, Scan, WhileLoop>;

}  // namespace etch::ir
