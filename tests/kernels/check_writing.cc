// Networks that read, write and score tokens, at ragged sizes: the same bits in parts of a batch, by several threads at
// a time, and alone; and no access that is out of bounds.
#include "writing.h"

#include <limits>
#include <string>
#include <thread>

#include "check.h"
#include "layer.h"

using namespace gluon_deeprnn;
using Tokens = std::vector<int32_t>;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Shape {
  int num_layers, num_hiddens, vocab_size, embedding_size;
  bool has_norms, is_residual, has_skip = false;
};

// A network, and what its calls are given; every array is a block of its own, of exactly its size.
struct Use {
  const Shape z;
  int states;
  void* network = nullptr;

  Use(const char* cell, const Shape& shape) : z(shape), states(find_cell(cell)->num_states) {
    const size_t H = z.num_hiddens, rows = find_cell(cell)->num_gates * H;
    std::vector<Floats> layers, norms;
    for (int l = 0; l < z.num_layers; ++l) {
      const size_t D = l ? H : z.embedding_size ? z.embedding_size : z.vocab_size;
      layers.push_back(some(rows * (D + H + 2), l, .3f));
      if (l && z.has_norms) norms.push_back(some(H, 10 + l)), norms.push_back(some(H, 20 + l));
    }
    const Floats embedding = some(size_t(z.vocab_size) * z.embedding_size, 4), output = some(z.vocab_size * H * (z.has_skip ? z.num_layers : 1), 5);
    const Floats bias = some(z.vocab_size, 6);
    std::vector<const float*> of_layers, of_norms;
    for (const Floats& layer : layers) of_layers.push_back(layer.data());
    for (const Floats& norm : norms) of_norms.push_back(norm.data());
    const std::vector<const char*> cells(z.num_layers, cell);
    const NetworkWeights weights = {z.vocab_size, z.embedding_size, z.num_layers, z.num_hiddens, z.is_residual, z.has_skip,
                                    1e-5f, cells.data(), of_layers.data(), z.has_norms ? of_norms.data() : nullptr,
                                    embedding.data(), output.data(), bias.data()};
    must(gluon_deeprnn_network_new(&weights, &network) == kDone, "a network is made");
  }
  ~Use() { gluon_deeprnn_network_delete(network); }

  size_t state_size(int N) const { return size_t(states) * z.num_layers * N * z.num_hiddens; }
  Tokens tokens(size_t size) const {
    Tokens found(size);
    for (size_t i = 0; i < size; ++i) found[i] = i * 7 % z.vocab_size;
    return found;
  }

  // Tokens, largest logits, flags and the last state, as written in parts of the batch.
  Floats written(int N, int T, const Choice& choice, int num_parts, bool in_threads) const {
    const size_t V = z.vocab_size;
    const Floats state = some(state_size(N), 7), noise = some(T * N * V, 8), masks = some(N * V, 9);
    const Tokens token = tokens(N);
    Tokens found(size_t(T) * N);
    Floats largest(found.size()), last(state.size()), seen(N * V);
    std::vector<std::thread> threads;
    for (int part = 0; part < num_parts; ++part) {
      const auto write = [&, part] {
        const Batch batch = {part * N / num_parts, (part + 1) * N / num_parts - part * N / num_parts, N};
        must(gluon_deeprnn_network_write(network, &batch, T, &choice, token.data(), state.data(), noise.data(),
                                         masks.data(), V, choice.penalty != 1 ? seen.data() : nullptr, found.data(),
                                         largest.data(), last.data()) == kDone, "tokens are written");
      };
      in_threads ? void(threads.emplace_back(write)) : write();
    }
    for (std::thread& thread : threads) thread.join();
    Floats all(found.begin(), found.end());
    for (const Floats* more : {&largest, &last, &seen}) all.insert(all.end(), more->begin(), more->end());
    return all;
  }

  void read_and_score() const {
    const Batch one = {0, 1, 1};
    const Floats state = some(state_size(1), 7);
    const Tokens given = tokens(71);
    Floats last(state.size()), other(state.size()), log_probs(70);
    must(gluon_deeprnn_network_read(network, &one, 70, given.data(), state.data(), last.data()) == kDone &&
             gluon_deeprnn_network_score(network, 70, given.data(), given.data() + 1, state.data(), log_probs.data(),
                                         other.data()) == kDone, "tokens are read");
    must(last == other, "reading and scoring leave the same state");
    for (float log_p : log_probs) must(log_p <= 1e-6f && log_p > -kInfinity, "every log-probability is at most 0");
    for (int32_t token : {-1, z.vocab_size}) {
      const Tokens bad = {0, token};
      must(gluon_deeprnn_network_read(network, &one, 2, bad.data(), state.data(), last.data()) == kBadToken &&
               gluon_deeprnn_network_score(network, 1, bad.data(), bad.data() + 1, state.data(), log_probs.data(),
                                           other.data()) == kBadToken, "an unknown token is refused");
    }
  }
};

}  // namespace

void check_writing(const char* cell) {
  for (const Shape& shape : {Shape{1, 1, 1, 0, false, false}, Shape{2, 17, 28, 0, false, false},
                             Shape{3, 33, 65, 9, true, true}, Shape{1, 16, 32, 16, false, false},
                             Shape{3, 9, 28, 0, false, true, true}}) {
    const Use use(cell, shape);
    use.read_and_score();
    for (const Choice& choice : {Choice{1, 1, 1, -kInfinity, 0}, Choice{2, 1.5f, .8f, -3, 5},
                                 Choice{1, 1, .5f, -kInfinity, 1}}) {
      for (int N : {1, 5, 21}) {
        const Floats expected = use.written(N, 3, choice, 1, false);
        must(expected == use.written(N, 3, choice, N < 3 ? N : 3, true), "threads write what one does");
        must(expected == use.written(N, 3, choice, N, false), "a sequence writes alone what it does among others");
      }
    }
  }
  const char* unknown = "rnn";
  const Floats weights = some(100, 1);
  const float* layer = weights.data();
  const NetworkWeights w = {2, 0, 1, 1, 0, 0, 0, &unknown, &layer, nullptr, nullptr, layer, layer};
  void* network = nullptr;
  must(gluon_deeprnn_network_new(&w, &network) == kBadNetwork && !network, "an unknown cell is refused");
}
