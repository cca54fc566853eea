// Gradients of the weights: sums over parts of the batch, and their sum as the flat vector that MXNet takes.
#ifndef GLUON_DEEPRNN_GRADIENTS_H_
#define GLUON_DEEPRNN_GRADIENTS_H_

#include <algorithm>

#include "parallel.h"
#include "weights.h"

namespace gluon_deeprnn {
namespace {

// Parts of the batch with gradients of their own: as many as there may be threads, if they do not take too much memory,
// and have so many rows (steps times sequences) that to add up the parts takes little of the time.
constexpr size_t kMostParts = 16, kFewestParts = 4, kMostSums = 1 << 23, kFewestRows = 256;

// Gradients of the weights of one part of the batch, laid out as the packed weights are, but row k for column k.
template <typename Cell>
struct Sums {
  float *inputs, *recurrent, *bias;  // [D][width()], [H][width()], [row_size()]

  Sums(const Sizes& z, const Panels<Cell>& panels, float* memory)
      : inputs(memory), recurrent(inputs + aligned_size(panels.width() * z.num_inputs)),
        bias(recurrent + aligned_size(panels.width() * z.num_hiddens)) {}

  static size_t size(const Sizes& z, const Panels<Cell>& panels) {
    return aligned_size(panels.width() * z.num_inputs) + aligned_size(panels.width() * z.num_hiddens) +
           aligned_size(panels.row_size());
  }
};

template <typename Cell>
int num_parts(const Sizes& z, const Panels<Cell>& panels, int num_tiles) {
  const size_t size = panels.width() * (size_t(z.num_inputs) + z.num_hiddens);
  const size_t by_rows = std::max<size_t>(1, size_t(z.num_steps) * z.batch_size / kFewestRows);
  return std::min({size_t(num_tiles), by_rows, std::clamp<size_t>(kMostSums / size, kFewestParts, kMostParts)});
}

// The sums as the flat vector of weights.
template <typename Cell>
void unpack(const Sizes& z, const Panels<Cell>& panels, const Sums<Cell>& sums, float* to) {
  using S = Shape<Cell>;
  const int D = z.num_inputs, H = z.num_hiddens;
  const Parts<float> parts(z, S::kGates, to);
  const size_t num_blocks = (H + kLanes - 1) / kLanes;  // the units of a vector together: they share cache lines
  divide(S::kGates * num_blocks, size_t(H) * H > 4096, [=](size_t i) {
    const int g = i / num_blocks, begin = i % num_blocks * kLanes, count = std::min(kLanes, H - begin);
    const size_t row = size_t(g) * H + begin;
    transpose(sums.inputs + panels.place(begin, g, 0), panels.width(), D, count, parts.i2h + row * D, D, false);
    transpose(sums.recurrent + panels.place(begin, g, S::kApart), panels.width(), H, count, parts.h2h + row * H, H,
              false);
    const float* of_x = sums.bias + panels.place_of_sum(begin, S::slope_of_inputs(g));
    const float* of_h = sums.bias + panels.place_of_sum(begin, S::slope_of_state(g));
    std::copy(of_x, of_x + count, parts.i2h_bias + row);
    std::copy(of_h, of_h + count, parts.h2h_bias + row);
  });
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_GRADIENTS_H_
