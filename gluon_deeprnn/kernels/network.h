// All layers of a language model, a step at a time.
#ifndef GLUON_DEEPRNN_NETWORK_H_
#define GLUON_DEEPRNN_NETWORK_H_

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "layer_norm.h"
#include "output_layer.h"
#include "writing.h"

namespace gluon_deeprnn {
namespace {

class Network {
 public:
  explicit Network(const NetworkWeights& w)
      : num_hiddens(w.num_hiddens), vocab_size(w.vocab_size),
        num_outputs(w.has_skip ? w.num_layers * w.num_hiddens : w.num_hiddens),
        output(w.vocab_size, num_outputs, w.output, w.bias), num_layers_(w.num_layers),
        embedding_size_(w.embedding_size), is_residual_(w.is_residual), epsilon_(w.epsilon) {
    for (int l = 0; l < num_layers_; ++l) {
      const int num_inputs = l ? num_hiddens : embedding_size_ ? embedding_size_ : vocab_size;
      layers_.push_back(layer_step(AllCells(), w.cells[l], num_inputs, num_hiddens, w.layers[l]));
      if (!layers_[l] || layers_[l]->num_states() != layers_[0]->num_states())
        throw std::invalid_argument("cells must be known, and have the same number of states");
      padded_ = std::max(padded_, layers_[l]->padded());
    }
    if (embedding_size_) copy(w.embedding, size_t(vocab_size) * embedding_size_, &embedding_);
    if (w.norms) {
      float* to = norms_.reserve(size_t(2) * num_layers_ * num_hiddens);
      for (int i = 0; i < 2 * (num_layers_ - 1); ++i)
        std::copy(w.norms[i], w.norms[i] + num_hiddens, to + size_t(i) * num_hiddens);
    }
  }

  const int num_hiddens, vocab_size, num_outputs;
  const OutputLayer output;

  bool has_token(int32_t token) const { return 0 <= token && token < vocab_size; }

 private:
  friend class Sequences;

  static void copy(const float* from, size_t size, AlignedFloats* to) {
    std::copy(from, from + size, to->reserve(size));
  }

  const int num_layers_, embedding_size_;
  const bool is_residual_;
  const float epsilon_;
  int padded_ = 0;
  std::vector<std::unique_ptr<LayerStep>> layers_;
  AlignedFloats embedding_, norms_;
};

// Some sequences of a batch and their state, as they go through the network.
class Sequences {
 public:
  Sequences(const Network& network, const Batch& batch)
      : n_(network), b_(batch), of_layer_(aligned_size(size_t(b_.count) * n_.num_hiddens)),
        of_memory_(has_memory() ? aligned_size(size_t(b_.count) * n_.padded_) : 0) {
    const int L = n_.num_layers_;
    if (has_skip()) outputs_.reserve(size_t(b_.count) * n_.num_outputs);
    float* at = memory_.reserve((2 * L + 3) * of_layer_ + L * of_memory_);
    hidden_ = at, next_ = at + L * of_layer_, normal_ = next_ + L * of_layer_;
    sums_[0] = normal_ + of_layer_, sums_[1] = sums_[0] + of_layer_, cells_ = sums_[1] + of_layer_;
    std::memset(cells_, 0, sizeof(float) * L * of_memory_);
  }

  // From and to a state (S, L, N, H).
  void set_state(const float* state) {
    each_row([&](size_t place, float* row) { std::memcpy(row, state + place, sizeof(float) * n_.num_hiddens); });
  }
  void get_state(float* state) {
    each_row([&](size_t place, float* row) { std::memcpy(state + place, row, sizeof(float) * n_.num_hiddens); });
  }

  // Reads a token of each sequence; what the output layer reads: the outputs of the last layer, or of all,
  // (count, num_outputs).
  const float* step(const int32_t* tokens) {
    const int E = n_.embedding_size_, H = n_.num_hiddens;
    StepInputs inputs = {E ? n_.embedding_.data() : nullptr, tokens, E ? E : n_.vocab_size};
    const float* below = nullptr;
    for (int l = 0; l < n_.num_layers_; ++l) {
      float* next = next_ + l * of_layer_;
      if (l > 0) inputs = {n_.norms_.data() ? normalized(l, below) : below, nullptr, H};
      n_.layers_[l]->step(inputs, b_.count, hidden_ + l * of_layer_, cells_ + l * of_memory_, next);
      below = n_.is_residual_ && l > 0 ? sum(below, next, sums_[l % 2]) : next;
      float* to = outputs_.data() + l * H;
      for (int i = 0; has_skip() && i < b_.count; ++i, to += n_.num_outputs)
        std::copy(below + size_t(i) * H, below + size_t(i + 1) * H, to);
    }
    std::swap(hidden_, next_);
    return has_skip() ? outputs_.data() : below;
  }

 private:
  bool has_memory() const { return n_.layers_[0]->num_states() == 2; }
  bool has_skip() const { return n_.num_outputs > n_.num_hiddens; }

  template <typename Work>
  void each_row(const Work& work) {
    const size_t L = n_.num_layers_, H = n_.num_hiddens;
    for (size_t l = 0; l < L; ++l) {
      const size_t padded = n_.layers_[l]->padded();
      for (int i = 0; i < b_.count; ++i) {
        work((l * b_.batch_size + b_.first + i) * H, hidden_ + l * of_layer_ + i * H);
        if (has_memory())
          work(((L + l) * b_.batch_size + b_.first + i) * H, cells_ + l * of_memory_ + i * padded);
      }
    }
  }

  const float* normalized(int layer, const float* x) const {
    constexpr int kAtOnce = 32;  // so few that normalise() takes one thread
    const int H = n_.num_hiddens;
    const float* gamma = n_.norms_.data() + size_t(2) * (layer - 1) * H;
    for (int i = 0; i < b_.count; i += kAtOnce)
      normalise({size_t(std::min(kAtOnce, b_.count - i)), H, n_.epsilon_}, x + size_t(i) * H, gamma, gamma + H,
                normal_ + size_t(i) * H);
    return normal_;
  }

  const float* sum(const float* one, const float* other, float* to) const {
    for (size_t i = 0; i < of_layer_; i += kLanes) store(to + i, load(one + i) + load(other + i));
    return to;
  }

  const Network& n_;
  const Batch b_;
  const size_t of_layer_, of_memory_;  // floats of a layer's hidden states, and of its memories
  AlignedFloats memory_, outputs_;
  float *hidden_, *next_, *normal_, *sums_[2], *cells_;
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_NETWORK_H_
