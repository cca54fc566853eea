// The GRU: r, z = sigmoid(W x + U h + b), n = tanh(W x + b + r (U h + c)), h' = (1 - z) n + z h.
#ifndef GLUON_DEEPRNN_CELLS_GRU_H_
#define GLUON_DEEPRNN_CELLS_GRU_H_

#include "step.h"

namespace gluon_deeprnn {
namespace {

// Gates in the order of cuDNN: r, z, n.  The reset gate acts on n's product with the state alone: the sums are
// U h + c of n, r, z, W x + b of n.
struct Gru {
  static constexpr const char* kName = "gru";
  static constexpr int kGates = 3, kApart = 1, kStates = 1, kKept = 4, kKeptMemory = 0, kBlocks = 1;
  static constexpr int kTile = kRegisters == 32 ? 8 : 4, kColumns = 3;

  INLINED static Vector forward(const ForwardStep& step) {
    const Vector reset = sigmoid(step.sums[1]), update = sigmoid(step.sums[2]);
    const Vector fresh = tanh(step.apart[0] + reset * step.sums[0]);
    if (step.kept) {
      store(step.kept, step.sums[0]);
      store(step.kept + kLanes, reset);
      store(step.kept + 2 * kLanes, update);
      store(step.kept + 3 * kLanes, fresh);
    }
    return fresh + update * (load(step.hidden, step.count) - fresh);
  }

  INLINED static Vector backward(const BackwardStep& step, Vector* slopes) {
    const Vector product = load(step.kept), reset = load(step.kept + kLanes), update = load(step.kept + 2 * kLanes);
    const Vector fresh = load(step.kept + 3 * kLanes), before = load(step.hidden, step.count), dh = step.d_hidden;
    const Vector d_fresh = dh * (1.f - update) * (1.f - fresh * fresh);
    slopes[0] = d_fresh * reset;
    slopes[1] = d_fresh * product * reset * (1.f - reset);
    slopes[2] = dh * (before - fresh) * update * (1.f - update);
    slopes[3] = d_fresh;
    return dh * update;
  }
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_CELLS_GRU_H_
