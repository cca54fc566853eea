#include "writing.h"

#include <algorithm>
#include <new>
#include <stdexcept>

#include "choosing.h"
#include "network.h"

namespace gluon_deeprnn {
namespace {

// No exception may reach the caller, which is not C++.
template <typename Function>
int guarded(const Function& function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  } catch (const std::exception&) {
    return kBadNetwork;
  }
}

const Network& network_of(const void* handle) { return *static_cast<const Network*>(handle); }

bool are_tokens(const Network& network, const Batch& b, int num_steps, const int32_t* tokens) {
  for (int t = 0; t < num_steps; ++t)
    for (int i = 0; i < b.count; ++i)
      if (!network.has_token(tokens[size_t(t) * b.batch_size + b.first + i])) return false;
  return true;
}

constexpr Batch kOne = {0, 1, 1};

// A single sequence reads tokens; work(t, logits) gets the logits of each step.
template <typename Work>
void read_one(const Network& network, int num_steps, const int32_t* tokens, const float* state, float* last_state,
              const Work& work) {
  constexpr int kAtOnce = 32;  // steps whose logits are computed together, so that their weights are read once
  const size_t size = network.num_outputs, row = network.output.padded();
  Sequences sequences(network, kOne);
  AlignedFloats memory(kAtOnce * (aligned_size(size) + row));
  float *outputs = memory.data(), *logits = outputs + kAtOnce * aligned_size(size);
  sequences.set_state(state);
  for (int t = 0; t < num_steps; t += kAtOnce) {
    const int steps = std::min(kAtOnce, num_steps - t);
    for (int i = 0; i < steps; ++i) {
      const float* last = sequences.step(tokens + t + i);
      std::copy(last, last + size, outputs + i * size);
    }
    network.output.logits(outputs, steps, logits);
    for (int i = 0; i < steps; ++i) work(t + i, logits + i * row);
  }
  sequences.get_state(last_state);
}

}  // namespace
}  // namespace gluon_deeprnn

#define EXPORTED __attribute__((visibility("default")))

using namespace gluon_deeprnn;

extern "C" {

EXPORTED int gluon_deeprnn_network_new(const NetworkWeights* weights, void** made) {
  return guarded([&] {
    *made = nullptr;
    *made = new Network(*weights);
    return kDone;
  });
}

EXPORTED void gluon_deeprnn_network_delete(void* network) { delete static_cast<Network*>(network); }

EXPORTED int gluon_deeprnn_network_read(const void* handle, const Batch* batch, int num_steps, const int32_t* tokens,
                                        const float* state, float* last_state) {
  return guarded([&] {
    const Network& network = network_of(handle);
    if (!are_tokens(network, *batch, num_steps, tokens)) return kBadToken;
    Sequences sequences(network, *batch);
    sequences.set_state(state);
    for (int t = 0; t < num_steps; ++t) sequences.step(tokens + size_t(t) * batch->batch_size + batch->first);
    sequences.get_state(last_state);
    return kDone;
  });
}

EXPORTED int gluon_deeprnn_network_write(const void* handle, const Batch* batch, int num_steps, const Choice* choice,
                                         const int32_t* token, const float* state, const float* noise,
                                         const float* masks, int mask_stride, float* seen, int32_t* tokens,
                                         float* largest, float* last_state) {
  return guarded([&] {
    const Network& network = network_of(handle);
    if (!are_tokens(network, *batch, 1, token)) return kBadToken;
    const size_t V = network.vocab_size, N = batch->batch_size, first = batch->first, row = network.output.padded();
    const Chooser chooser(network.vocab_size, row, *choice);
    Sequences sequences(network, *batch);
    AlignedFloats memory(row * batch->count + chooser.scratch_size());
    float *logits = memory.data(), *scratch = logits + row * batch->count;
    sequences.set_state(state);
    const int32_t* last = token + first;
    for (int t = 0; t < num_steps; ++t) {
      network.output.logits(sequences.step(last), batch->count, logits);
      for (int i = 0; i < batch->count; ++i) {
        const size_t n = first + i, place = t * N + n;
        largest[place] = chooser.largest(logits + i * row);
        tokens[place] = chooser.choose(logits + i * row, masks + n * mask_stride, noise ? noise + place * V : nullptr,
                                       seen ? seen + n * V : nullptr, scratch);
      }
      last = tokens + t * N + first;
    }
    sequences.get_state(last_state);
    return kDone;
  });
}

EXPORTED int gluon_deeprnn_network_score(const void* handle, int num_steps, const int32_t* tokens,
                                         const int32_t* targets, const float* state, float* log_probs,
                                         float* last_state) {
  return guarded([&] {
    const Network& network = network_of(handle);
    if (!are_tokens(network, kOne, num_steps, tokens) || !are_tokens(network, kOne, num_steps, targets))
      return kBadToken;
    const Choice choice = {};
    const Chooser chooser(network.vocab_size, network.output.padded(), choice);
    AlignedFloats scratch(chooser.scratch_size());
    read_one(network, num_steps, tokens, state, last_state, [&](int t, float* logits) {
      log_probs[t] = chooser.log_prob(logits, targets[t], scratch.data());
    });
    return kDone;
  });
}

EXPORTED int gluon_deeprnn_network_logits(const void* handle, int num_steps, const int32_t* tokens, const float* state,
                                          float* logits, float* last_state) {
  return guarded([&] {
    const Network& network = network_of(handle);
    if (!are_tokens(network, kOne, num_steps, tokens)) return kBadToken;
    const size_t V = network.vocab_size;
    read_one(network, num_steps, tokens, state, last_state,
             [&](int t, const float* of_step) { std::copy(of_step, of_step + V, logits + t * V); });
    return kDone;
  });
}

}  // extern "C"
