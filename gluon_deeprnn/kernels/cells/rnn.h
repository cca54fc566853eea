// The plain recurrent cell: h' = phi(W x + U h + b), with phi = tanh, relu, sigmoid, softsign or softrelu.
#ifndef GLUON_DEEPRNN_CELLS_RNN_H_
#define GLUON_DEEPRNN_CELLS_RNN_H_

#include "step.h"

namespace gluon_deeprnn {
namespace {

// Nothing is kept: the derivative of phi follows from its value, which is the output.
struct Rnn {
  static constexpr int kGates = 1, kApart = 0, kStates = 1, kKept = 0, kKeptMemory = 0, kBlocks = 2;
  static constexpr int kTile = kRegisters == 32 ? 8 : 4, kColumns = 3;
};

struct RnnTanh : Rnn {
  static constexpr const char* kName = "rnn_tanh";

  INLINED static Vector forward(const ForwardStep& step) { return tanh(step.sums[0]); }
  INLINED static Vector backward(const BackwardStep& step, Vector* slopes) {
    const Vector y = load(step.output, step.count);
    slopes[0] = step.d_hidden * (1.f - y * y);
    return Vector{};
  }
};

struct RnnRelu : Rnn {
  static constexpr const char* kName = "rnn_relu";

  INLINED static Vector forward(const ForwardStep& step) {
    return step.sums[0] < 0.f ? Vector{} : step.sums[0];  // NaN stays NaN
  }
  INLINED static Vector backward(const BackwardStep& step, Vector* slopes) {
    const Vector y = load(step.output, step.count);
    slopes[0] = y > 0.f ? step.d_hidden : Vector{};
    return Vector{};
  }
};

struct RnnSigmoid : Rnn {
  static constexpr const char* kName = "rnn_sigmoid";

  INLINED static Vector forward(const ForwardStep& step) { return sigmoid(step.sums[0]); }
  INLINED static Vector backward(const BackwardStep& step, Vector* slopes) {
    const Vector y = load(step.output, step.count);
    slopes[0] = step.d_hidden * y * (1.f - y);
    return Vector{};
  }
};

// x / (1 + |x|), with the derivative (1 - |y|)^2.
struct RnnSoftsign : Rnn {
  static constexpr const char* kName = "rnn_softsign";

  INLINED static Vector forward(const ForwardStep& step) { return step.sums[0] / (1.f + magnitude(step.sums[0])); }
  INLINED static Vector backward(const BackwardStep& step, Vector* slopes) {
    const Vector rest = 1.f - magnitude(load(step.output, step.count));
    slopes[0] = step.d_hidden * rest * rest;
    return Vector{};
  }
};

// log(1 + exp(x)), with the derivative 1 - exp(-y).
struct RnnSoftrelu : Rnn {
  static constexpr const char* kName = "rnn_softrelu";

  INLINED static Vector forward(const ForwardStep& step) { return softrelu(step.sums[0]); }
  INLINED static Vector backward(const BackwardStep& step, Vector* slopes) {
    const PowerOfTwo e = split_exp(clamp(-load(step.output, step.count), 87.f));
    slopes[0] = step.d_hidden * -(e.scale * e.rest + (e.scale - 1.f));
    return Vector{};
  }
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_CELLS_RNN_H_
