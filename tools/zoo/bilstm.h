// A bidirectional LSTM tagger, written sentence by sentence and word by word.
#pragma once

#include <memory>
#include <vector>

#include "etch/nn.h"

namespace etch::zoo {

/// `sentences` random lengths of words / 2 to 3 * words / 2 words.
std::vector<int64_t> random_lengths(int64_t sentences, int64_t words, uint64_t seed);

class BilstmTagger : public nn::Module {
 public:
  BilstmTagger(int64_t vocabulary, int64_t features, int64_t hidden, int64_t tags, Generator& rng);
  /// Logits [words, tags] of the integer words [words], sentence after sentence.
  Tensor operator()(const std::vector<int64_t>& lengths, const Tensor& words);

 private:
  void tag(const std::vector<Tensor>& words, std::vector<Tensor>& logits);

  std::shared_ptr<nn::Embedding> words_;
  std::shared_ptr<nn::LSTMCell> forward_, backward_;
  std::shared_ptr<nn::Linear> head_;
};

}  // namespace etch::zoo
