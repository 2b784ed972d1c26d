// The bytes of a model on their way out: protobuf's pieces, and tensor data straight from their
// owner.
#pragma once

#include "onnx_export/model_io.h"
#include "onnx_export/wire.h"

namespace etch::onnx {

inline constexpr size_t kExternalThreshold = 1024;
inline constexpr uint64_t kExternalAlignment = 4096;

/// One initialiser: what protobuf writes, then raw_data.
struct StreamedTensor {
  std::string head;
  const TensorModel* tensor = nullptr;
  bool raw = false;
  uint64_t size() const {
    return head.size() + (raw ? 1 + varint_size(tensor->bytes) + tensor->bytes : 0);
  }
  /// As a field of the graph.
  uint64_t field_size() const { return 1 + varint_size(size()) + size(); }
};

class ModelSink {
 public:
  ModelSink(const Sink& sink, const WriteOptions& options) : sink_(sink), options_(options) {}
  const Written& written() const { return written_; }

  bool goes_outside(const TensorModel& t) const {
    return options_.external && t.data && t.bytes > kExternalThreshold;
  }
  /// Writes the data to the second file and returns the tensor that refers to them.
  TensorModel move_outside(const TensorModel& t) {
    static constexpr std::byte kZeros[kExternalAlignment] = {};
    uint64_t past = written_.external_bytes % kExternalAlignment;
    uint64_t gap = past == 0 ? 0 : kExternalAlignment - past;
    if (gap != 0) options_.external({kZeros, static_cast<size_t>(gap)});
    uint64_t offset = written_.external_bytes + gap;
    options_.external({static_cast<const std::byte*>(t.data.get()), t.bytes});
    written_.external_bytes = offset + t.bytes;
    TensorModel moved = t;
    moved.data = nullptr;
    moved.external = {options_.external_name, static_cast<int64_t>(offset),
                      static_cast<int64_t>(t.bytes)};
    return moved;
  }

  void put(const std::string& bytes) {
    sink_(std::as_bytes(std::span(bytes)));
    written_.model_bytes += bytes.size();
  }
  void put_tensor(const StreamedTensor& t) {
    std::string header;
    append_bytes_header(header, 5, t.size());
    header += t.head;
    if (t.raw) append_bytes_header(header, 9, t.tensor->bytes);
    put(header);
    if (!t.raw) return;
    sink_({static_cast<const std::byte*>(t.tensor->data.get()), t.tensor->bytes});
    written_.model_bytes += t.tensor->bytes;
  }

 private:
  const Sink& sink_;
  const WriteOptions& options_;
  Written written_;
};

}  // namespace etch::onnx
