// Models and expected results for oracle.py, gathered in one folder so that Python starts once.
#pragma once

#include <string>

#include "onnx_export/exporter.h"
#include "tests/support/naive.h"

namespace etch::test {

/// The Python with the oracles, or null (ETCH_PYTHON).
const char* oracle_python();

class OracleBatch {
 public:
  /// A fresh folder under the temporary directory, removed at the end.
  OracleBatch();
  ~OracleBatch();
  OracleBatch(const OracleBatch&) = delete;
  OracleBatch& operator=(const OracleBatch&) = delete;

  struct Named {
    std::string name;
    Dense value;
  };
  struct Case {
    std::string name;
    std::string bytes;  // of the model
    int opset = 0;
    std::vector<Named> inputs, outputs;
    double rtol = 1e-5, atol = 1e-6;
    bool run = true;        // false: check only
    bool must_run = false;  // a missing kernel is a failure
  };
  void add(const Case& c);
  size_t size() const { return cases_; }

  struct Answer {
    bool ok = false;
    std::string text;
  };
  Answer run();

 private:
  std::string folder_, manifest_, data_;
  size_t cases_ = 0;
};

}  // namespace etch::test
