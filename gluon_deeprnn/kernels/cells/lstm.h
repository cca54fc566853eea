// The LSTM: i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c' = f c + i g, h' = o tanh(c').
#ifndef GLUON_DEEPRNN_CELLS_LSTM_H_
#define GLUON_DEEPRNN_CELLS_LSTM_H_

#include "step.h"

namespace gluon_deeprnn {
namespace {

// Gates in the order of cuDNN: i, f, g, o.
struct Lstm {
  static constexpr const char* kName = "lstm";
  static constexpr int kGates = 4, kApart = 0, kStates = 2, kKept = 5, kKeptMemory = 4, kBlocks = 1;
  static constexpr int kTile = kRegisters == 32 ? 4 : 3, kColumns = 4;

  INLINED static Vector forward(const ForwardStep& step) {
    const Vector in = sigmoid(step.sums[0]), forget = sigmoid(step.sums[1]), fresh = tanh(step.sums[2]);
    const Vector out = sigmoid(step.sums[3]);
    const Vector now = forget * load(step.memory) + in * fresh;
    store(step.memory, now);
    if (step.kept) {
      store(step.kept, in);
      store(step.kept + kLanes, forget);
      store(step.kept + 2 * kLanes, fresh);
      store(step.kept + 3 * kLanes, out);
      store(step.kept + 4 * kLanes, now);
    }
    return out * tanh(now);
  }

  INLINED static Vector backward(const BackwardStep& step, Vector* slopes) {
    const Vector in = load(step.kept), forget = load(step.kept + kLanes), fresh = load(step.kept + 2 * kLanes);
    const Vector out = load(step.kept + 3 * kLanes), squashed = tanh(load(step.kept + 4 * kLanes));
    const Vector before = load(step.memory, step.memory_count), dh = step.d_hidden;
    const Vector dc = load(step.d_memory) + dh * out * (1.f - squashed * squashed);
    slopes[0] = dc * fresh * in * (1.f - in);
    slopes[1] = dc * before * forget * (1.f - forget);
    slopes[2] = dc * in * (1.f - fresh * fresh);
    slopes[3] = dh * squashed * out * (1.f - out);
    store(step.d_memory, dc * forget);
    return Vector{};
  }
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_CELLS_LSTM_H_
