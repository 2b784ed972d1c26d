// ONNX files to and from plain structs. model_io.cpp alone sees protobuf.
#pragma once

#include "onnx_export/model.h"

namespace etch::onnx {

/// What a model may cost before it is refused.
struct ReadLimits {
  uint64_t max_bytes = uint64_t{8} << 30;     // of the file
  uint64_t max_memory = uint64_t{4} << 30;    // of the parsed structs, tensors in place not counted
  uint64_t max_messages = uint64_t{1} << 26;  // nested messages and strings
  int max_depth = 100;
};

/// Parses a model. `owner` keeps `bytes` alive: big tensors of the main graph point into it.
/// Raises UserError (ErrorKind::Unreadable), naming `where`, for anything malformed or above a
/// limit.
Model read_model(std::string_view where, std::shared_ptr<const void> owner,
                 std::span<const std::byte> bytes, const ReadLimits& limits = {});

struct WriteOptions {
  /// Tensors above 1 KiB go to `external` when set; its offsets are multiples of 4096.
  Sink external;
  std::string external_name;
};
struct Written {
  uint64_t model_bytes = 0;
  uint64_t external_bytes = 0;
};
/// Writes a model; tensor data go to the sink in place, without a copy. The same model gives the
/// same bytes. Raises UserError when the model would pass protobuf's 2 GiB.
Written write_model(const Model& model, const Sink& sink, const WriteOptions& options = {});

/// The size check that comes before protobuf parses: lengths nest, depth, number of messages and
/// expected memory stay inside the limits. Raises UserError.
void scan_model(std::string_view where, std::span<const std::byte> bytes, const ReadLimits& limits);

}  // namespace etch::onnx
