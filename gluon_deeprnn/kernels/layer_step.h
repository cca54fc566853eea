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
    const int D = sizes_.num_inputs, H = sizes_.num_hiddens;
    const size_t inputs_size = size_t(D) * S::kWidth, recurrent_size = size_t(H) * S::kWidth;
    const float* inputs = packed_.inputs + panel * inputs_size;
    const float* bias = packed_.bias + size_t(panel) * S::kSlopes * kLanes;
    const float *h[kRows], *x[kRows];
    for (int i = 0; i < kRows; ++i) {
      h[i] = a.hidden + size_t(first + i) * H;
      x[i] = a.inputs.are_one_hot() ? inputs + size_t(a.inputs.tokens[first + i]) * S::kWidth : a.inputs.row(first + i);
    }
    const auto add_inputs = [&](Vector(*sums)[kRows][S::kVectors]) INLINED {
      if (a.inputs.are_one_hot())
        add_rows_of_weights<kPanels, kRows, S::kVectors>(x, inputs_size, sums);
      else
        multiply_panels<kPanels, kRows, S::kVectors>(x, D, inputs, inputs_size, S::kWidth, sums);
    };
    through_panels<Cell, kPanels, kRows>(
        bias, add_inputs, h, H, packed_.recurrent + panel * recurrent_size,
        [&](int p, int i, int b, const Vector* sums, const Vector* apart) INLINED {
          const int unit = (panel + p) * S::kUnits + b * kLanes, count = H - unit;
          if (count <= 0) return;
          float* memory = S::kHasMemory ? a.memory + size_t(first + i) * panels_.padded + unit : nullptr;
          const ForwardStep step = {sums, apart, h[i] + unit, count, memory, nullptr};
          store(a.next + size_t(first + i) * H + unit, Cell::forward(step), count);
        });
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
