// One step of one recurrent layer for some sequences, where the next step waits for the token that follows from it.
//
// A layer that knows all of its inputs goes through time tile by tile (forward.h).  Here all sequences make a step
// before any makes the next, so the panels are the outer loop: a panel of weights is read once a step, for all tiles.
// A single sequence takes several panels at a time, since one has too few sums to keep the processor busy.
//
// Sums are added up in the order of forward.h, whatever the number of sequences and of panels: a sequence has the same
// results, bit by bit, alone and among others.
#ifndef GLUON_DEEPRNN_LAYER_STEP_H_
#define GLUON_DEEPRNN_LAYER_STEP_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "cells/all.h"
#include "forward.h"
#include "weights.h"

namespace gluon_deeprnn {
namespace {

// sums[p][i][v] += sum over k of rows[i][k] * panel p's [k][v], for kPanels panels that lie panel_size apart.
template <int kPanels, int kRows, int kVectors>
INLINED inline void multiply_panels(const float* const* rows, int depth, const float* matrix, size_t panel_size,
                                    size_t stride, Vector (*sums)[kRows][kVectors]) {
  if constexpr (kPanels == 1) {
    multiply<kRows, kVectors>(rows, depth, matrix, stride, sums[0]);
  } else {
    static_assert(kRows == 1, "several sequences fill the registers with the sums of one panel");
    for (int k = 0; k < depth; ++k, matrix += stride) {
      const Vector x = all(rows[0][k]);
      for (int p = 0; p < kPanels; ++p)
        for (int v = 0; v < kVectors; ++v) sums[p][0][v] += x * load(matrix + p * panel_size + v * kLanes);
    }
  }
}

// Panels that a single sequence takes together.
constexpr int panels_together(int num_vectors) {
  return std::max(1, std::min(4, (kRegisters == 32 ? 16 : 12) / num_vectors));
}

// What the sequences of a step read: rows of features, (N, D); or tokens, which stand for a one-hot vector each, or, if
// there is a table (V, D), for a row of it.
struct StepInputs {
  const float* rows;
  const int32_t* tokens;
  int num_features;

  bool are_one_hot() const { return !rows; }
  const float* row(int i) const { return rows + size_t(tokens ? tokens[i] : i) * num_features; }
};

class LayerStep {
 public:
  virtual ~LayerStep() = default;

  // hidden, next: (N, H); memory: (N, padded()), to be updated, with zeros behind the units, or null.
  virtual void step(const StepInputs& inputs, int count, const float* hidden, float* memory, float* next) const = 0;
  virtual int num_states() const = 0;
  virtual int padded() const = 0;
};

template <typename Cell>
class LayerStepOf : public LayerStep {
 public:
  using S = Shape<Cell>;

  LayerStepOf(int num_inputs, int num_hiddens, const float* weights)
      : sizes_{1, 1, num_inputs, num_hiddens}, panels_(sizes_) {
    packed_.pack(sizes_, weights);
  }

  int num_states() const override { return S::kStates; }
  int padded() const override { return panels_.padded; }

  void step(const StepInputs& inputs, int count, const float* hidden, float* memory, float* next) const override {
    const Arrays a = {inputs, hidden, memory, next};
    if (count == 1) return panels<panels_together(S::kVectors)>(a, 0);
    for (int p = 0; p < panels_.num_panels; ++p) {
      for (int first = 0, size = S::kTile; first < count; first += size) {
        while (size > count - first) size /= 2;
        tile<S::kTile>(a, p, first, size);
      }
    }
  }

 private:
  struct Arrays {
    const StepInputs& inputs;
    const float* hidden;
    float *memory, *next;
  };

  // The panels from `first` on for one sequence, kPanels at a time, then fewer.
  template <int kPanels>
  void panels(const Arrays& a, int first) const {
    for (; first + kPanels <= panels_.num_panels; first += kPanels) compute<kPanels, 1>(a, first, 0);
    if constexpr (kPanels > 1)
      if (first < panels_.num_panels) panels<kPanels / 2>(a, first);
  }

  template <int kRows>
  void tile(const Arrays& a, int panel, int first, int size) const {
    if (size == kRows) return compute<1, kRows>(a, panel, first);
    if constexpr (kRows > 1) tile<kRows / 2>(a, panel, first, size);
  }

  template <int kPanels, int kRows>
  void compute(const Arrays& a, int panel, int first) const {
    constexpr int V = S::kVectors, kApart = S::kApart;
    const int D = sizes_.num_inputs, H = sizes_.num_hiddens;
    const size_t inputs_size = size_t(D) * S::kWidth, recurrent_size = size_t(H) * S::kWidth;
    const float* inputs = packed_.inputs + panel * inputs_size;
    const float* bias = packed_.bias + size_t(panel) * S::kSlopes * kLanes;
    const float* h[kRows];
    for (int i = 0; i < kRows; ++i) h[i] = a.hidden + size_t(first + i) * H;
    Vector sums[kPanels][kRows][V];
    for (int p = 0; p < kPanels; ++p)
      for (int i = 0; i < kRows; ++i)
        for (int v = 0; v < V; ++v) sums[p][i][v] = load(bias + (p * S::kSlopes + v + kApart) * kLanes);
    if (a.inputs.are_one_hot()) {
      for (int i = 0; i < kRows; ++i) {
        const float* row = inputs + size_t(a.inputs.tokens[first + i]) * S::kWidth;
        for (int p = 0; p < kPanels; ++p)
          for (int v = 0; v < V; ++v) sums[p][i][v] += load(row + p * inputs_size + v * kLanes);
      }
    } else {
      const float* x[kRows];
      for (int i = 0; i < kRows; ++i) x[i] = a.inputs.row(first + i);
      multiply_panels<kPanels, kRows, V>(x, D, inputs, inputs_size, S::kWidth, sums);
    }
    // The last sums are kept apart; those of the products with the state take their registers, at the front.
    Vector apart[kPanels][kRows][kApart + 1];
    if constexpr (kApart > 0) {
      for (int p = 0; p < kPanels; ++p) {
        for (int i = 0; i < kRows; ++i) {
          for (int v = 0; v < kApart; ++v) apart[p][i][v] = sums[p][i][V - kApart + v];
          for (int v = V - 1; v >= kApart; --v) sums[p][i][v] = sums[p][i][v - kApart];
          for (int v = 0; v < kApart; ++v) sums[p][i][v] = load(bias + (p * S::kSlopes + v) * kLanes);
        }
      }
    }
    multiply_panels<kPanels, kRows, V>(h, H, packed_.recurrent + panel * recurrent_size, recurrent_size, S::kWidth,
                                       sums);
    for (int p = 0; p < kPanels; ++p) {
      for_blocks<S::kBlocks>([&](auto block) INLINED {
        constexpr int b = block;
        const int unit = (panel + p) * S::kUnits + b * kLanes, count = H - unit;
        if (count <= 0) return;
        for (int i = 0; i < kRows; ++i) {
          float* memory = S::kHasMemory ? a.memory + size_t(first + i) * panels_.padded + unit : nullptr;
          const ForwardStep step = {&sums[p][i][b * S::kGates], apart[p][i], h[i] + unit, count, memory, nullptr};
          store(a.next + size_t(first + i) * H + unit, Cell::forward(step), count);
        }
      });
    }
  }

  const Sizes sizes_;
  const Panels<Cell> panels_;
  Packed<Cell> packed_;
};

// The cell of that name; null where there is none.
template <typename Kind, typename... Others>
std::unique_ptr<LayerStep> layer_step(CellList<Kind, Others...>, const std::string& cell, int num_inputs,
                                      int num_hiddens, const float* weights) {
  if (cell == Kind::kName) return std::make_unique<LayerStepOf<Kind>>(num_inputs, num_hiddens, weights);
  if constexpr (sizeof...(Others) > 0)
    return layer_step(CellList<Others...>(), cell, num_inputs, num_hiddens, weights);
  else
    return nullptr;
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_LAYER_STEP_H_
