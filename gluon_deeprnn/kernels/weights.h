// Weights in the order in which the forward and the backward pass read them.
#ifndef GLUON_DEEPRNN_WEIGHTS_H_
#define GLUON_DEEPRNN_WEIGHTS_H_

#include <cstring>

#include "panels.h"

namespace gluon_deeprnn {
namespace {

// Where the parts of the flat weights begin.
template <typename Float>
struct Parts {
  size_t rows, size;
  Float *i2h, *h2h, *i2h_bias, *h2h_bias;

  Parts(const Sizes& z, int num_gates, Float* weights)
      : rows(size_t(num_gates) * z.num_hiddens), size(rows * (size_t(z.num_inputs) + z.num_hiddens + 2)), i2h(weights),
        h2h(i2h + rows * z.num_inputs), i2h_bias(h2h + rows * z.num_hiddens), h2h_bias(i2h_bias + rows) {}
};

// Weights of the forward pass.  Column k of the weights is a run of floats, panel by panel, padded by zeros.
template <typename Cell>
class Packed {
 public:
  using S = Shape<Cell>;
  const float* inputs = nullptr;     // [panel][D][kWidth]
  const float* recurrent = nullptr;  // [panel][H][kWidth], with the gates that are kept apart first
  const float* bias = nullptr;       // [panel][kSlopes * kLanes]

  // Packs the weights, unless they are those of the call before, bit by bit.  The operator is not told when weights
  // change, and an address may be another array's by now: only their contents count.  They are compared with a copy,
  // which is made from the second call on: in a graph that is not kept there is no second.
  void update(const Sizes& z, const float* weights) {
    const size_t bytes = Parts<const float>(z, S::kGates, weights).size * sizeof(float);
    if (has_copy_ && has_sizes(z) && std::memcmp(copy_.data(), weights, bytes) == 0) return;
    const bool is_first = num_packings_ == 0;
    pack(z, weights);
    if (is_first) return;
    std::memcpy(copy_.reserve(bytes / sizeof(float)), weights, bytes);
    num_inputs_ = z.num_inputs, num_hiddens_ = z.num_hiddens, has_copy_ = true;
  }

  void pack(const Sizes& z, const float* weights) {
    has_copy_ = false;  // also where there is no memory for what follows
    const Panels<Cell> panels(z);
    const size_t of_inputs = aligned_size(panels.width() * z.num_inputs);
    const size_t of_state = aligned_size(panels.width() * z.num_hiddens);
    float* x = memory_.reserve(of_inputs + of_state + panels.row_size());
    float *h = x + of_inputs, *b = h + of_state;
    inputs = x, recurrent = h, bias = b;
    const Parts<const float> parts(z, S::kGates, weights);
    pack(z, panels, parts.i2h, z.num_inputs, 0, x);
    pack(z, panels, parts.h2h, z.num_hiddens, S::kApart, h);
    std::memset(b, 0, panels.row_size() * sizeof(float));
    for (int g = 0; g < S::kGates; ++g) {
      for (int u = 0; u < z.num_hiddens; ++u) {
        const float of_x = parts.i2h_bias[size_t(g) * z.num_hiddens + u];
        const float of_h = parts.h2h_bias[size_t(g) * z.num_hiddens + u];
        float* to_x = b + panels.place_of_sum(u, S::slope_of_inputs(g));
        float* to_h = b + panels.place_of_sum(u, S::slope_of_state(g));
        if (to_x == to_h)
          *to_x = of_x + of_h;
        else
          *to_x = of_x, *to_h = of_h;
      }
    }
    ++num_packings_;
  }

  // Gives the packed weights' memory back.
  void release() { memory_ = AlignedFloats(), copy_ = AlignedFloats(), has_copy_ = false; }

  size_t num_packings() const { return num_packings_; }

 private:
  bool has_sizes(const Sizes& z) const { return num_inputs_ == z.num_inputs && num_hiddens_ == z.num_hiddens; }

  static void pack(const Sizes& z, const Panels<Cell>& panels, const float* from, int columns, int turn, float* to) {
    const size_t panel_size = size_t(columns) * S::kWidth;
    if (z.num_hiddens < panels.padded)  // the last panel is not full
      std::memset(to + (panels.num_panels - 1) * panel_size, 0, panel_size * sizeof(float));
    for (int u = 0; u < z.num_hiddens; u += kLanes)
      for (int g = 0; g < S::kGates; ++g)
        transpose(from + (size_t(g) * z.num_hiddens + u) * columns, columns, std::min(kLanes, z.num_hiddens - u),
                  columns, to + u / S::kUnits * panel_size + panels.place(u % S::kUnits, g, turn), S::kWidth, true);
  }

  AlignedFloats memory_, copy_;
  int num_inputs_ = 0, num_hiddens_ = 0;  // of the copy
  bool has_copy_ = false;
  size_t num_packings_ = 0;
};

// Weights of the backward pass: row j, in the order of the gradients of a product, holds what they are multiplied with.
struct Transposed {
  int columns = 0, padded = 0;
  const float* elements = nullptr;

  const float* row(int j) const { return elements + size_t(j) * padded; }

  static int padded_size(int num_columns) { return (num_columns + kLanes - 1) / kLanes * kLanes; }

  template <typename Cell>
  void fill(const Sizes& z, const Panels<Cell>& panels, const float* from, int num_columns, int turn, float* to) {
    columns = num_columns;
    padded = padded_size(columns);
    elements = to;
    std::memset(to, 0, panels.width() * padded * sizeof(float));
    for (int g = 0; g < Cell::kGates; ++g)
      for (int u = 0; u < z.num_hiddens; ++u)
        std::memcpy(to + panels.place(u, g, turn) * padded, from + (size_t(g) * z.num_hiddens + u) * columns,
                    sizeof(float) * columns);
  }
};

template <typename Cell>
struct BackwardWeights : Panels<Cell> {
  using S = Shape<Cell>;
  Transposed inputs, recurrent;

  BackwardWeights(const Sizes& z, const float* weights, bool has_d_inputs) : Panels<Cell>(z) {
    const size_t of_state = aligned_size(this->width() * Transposed::padded_size(z.num_hiddens));
    const size_t of_inputs = has_d_inputs ? this->width() * Transposed::padded_size(z.num_inputs) : 0;
    float* to = memory_.reserve(of_state + of_inputs);
    const Parts<const float> parts(z, S::kGates, weights);
    recurrent.fill<Cell>(z, *this, parts.h2h, z.num_hiddens, S::kApart, to);
    if (has_d_inputs) inputs.fill<Cell>(z, *this, parts.i2h, z.num_inputs, 0, to + of_state);
  }

 private:
  AlignedFloats memory_;
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_WEIGHTS_H_
