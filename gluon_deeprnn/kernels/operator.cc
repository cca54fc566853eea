// The kernels as operators of MXNet.
//
//   y = gluon_deeprnn_layer_norm(x, gamma, beta, epsilon=...)
//   outputs, hidden[, memory] = gluon_deeprnn_layer(inputs, weights, hidden[, memory], cell=..., trains=...,
//                                                   d_inputs=...)
//
// trains: 1 keeps what the backward pass needs, in the operator's state (as an output, MXNet would write a gradient of
// zeros for it); 0 has no backward pass.  d_inputs: 0 leaves the gradient of the inputs undefined, for inputs that do
// not need it; the interface does not pass that on.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi.h"
#include "layer.h"
#include "layer_norm.h"

namespace gluon_deeprnn {
namespace {

constexpr unsigned kUnknown = -1;  // a size that MXNet asks for
constexpr uint64_t kMostElements = kUnknown - 1;

using Dims = std::vector<uint64_t>;

std::string text_of(const Dims& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

void require(bool condition, const std::string& name, const std::string& rule, const std::string& got) {
  if (!condition) throw std::invalid_argument(name + " must be " + rule + "; got " + got);
}
void require_shape(const std::string& name, const Dims& expected, const Dims& found) {
  require(found == expected, name, "of shape " + text_of(expected), text_of(found));
}

const Cell& cell_of(const Attributes& attributes) {
  const std::string name = attributes.at("cell");
  const Cell* cell = find_cell(name);
  require(cell, "cell", cell_names(), name);
  return *cell;
}

bool flag_of(const Attributes& attributes, const char* name) {
  const std::string value = attributes.at(name);
  require(value == "0" || value == "1", name, "0 or 1", value);
  return value == "1";
}

// Sizes of a layer, from the shapes of its inputs and its hidden state.
Sizes sizes_of(const Dims& inputs, const Dims& hidden) {
  constexpr uint64_t kMost = std::numeric_limits<int>::max();
  const auto are_positive = [&](const Dims& dims) {
    return std::all_of(dims.begin(), dims.end(), [&](uint64_t size) { return 0 < size && size <= kMost; });
  };
  require(inputs.size() == 3 && are_positive(inputs), "inputs",
          "(T, N, D), with at least one time step, sequence and feature", text_of(inputs));
  require(hidden.size() == 2 && hidden[0] == inputs[1] && are_positive(hidden), "hidden",
          "(" + std::to_string(inputs[1]) + ", H), with at least one unit", text_of(hidden));
  return {int(inputs[0]), int(inputs[1]), int(inputs[2]), int(hidden[1])};
}

uint64_t num_weights(const Cell& cell, const Sizes& z) {
  return uint64_t(cell.num_gates) * z.num_hiddens * (uint64_t(z.num_inputs) + z.num_hiddens + 2);
}

void count_layer(const Attributes& attributes, int* num_inputs, int* num_outputs) {
  const int states = cell_of(attributes).num_states;
  *num_inputs = 2 + states;
  *num_outputs = 1 + states;
}

Dims dims_of(const Shape& shape) { return Dims(shape.begin(), shape.end()); }
Dims dims_of(const Array& array) { return Dims(array.shape, array.shape + array.num_axes); }

void infer_layer(const Attributes& attributes, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Cell& cell = cell_of(attributes);
  const Shape &inputs = (*in)[0], &hidden = (*in)[2];
  Shape& weights = (*in)[1];
  const Sizes z = sizes_of(dims_of(inputs), dims_of(hidden));
  const uint64_t size = num_weights(cell, z);
  require(size <= kMostElements, "weights", "at most " + std::to_string(kMostElements) + " elements",
          std::to_string(size));
  if (weights.empty() || weights == Shape{kUnknown}) weights = {unsigned(size)};
  require_shape("weights", {size}, dims_of(weights));
  if (cell.num_states == 2) require_shape("memory", dims_of(hidden), dims_of(in->back()));
  (*out)[0] = {inputs[0], inputs[1], hidden[1]};
  for (size_t i = 1; i < out->size(); ++i) (*out)[i] = hidden;
}

class LayerComputation : public Computation {
 public:
  explicit LayerComputation(const Attributes& attributes)
      : cell_(cell_of(attributes)), trains_(flag_of(attributes, "trains")),
        has_d_inputs_(flag_of(attributes, "d_inputs")), layer_(cell_.create()) {}

  void forward(const Array* in, const Array* out) override {
    const bool memory = cell_.num_states == 2;
    layer_->forward(checked(in, out), {in[0].data, in[1].data, in[2].data, memory ? in[3].data : nullptr, out[0].data,
                                       out[1].data, memory ? out[2].data : nullptr}, trains_);
  }

  void backward(const Array* given, const Array* gradients) override {
    if (!trains_) throw std::invalid_argument("there is no backward pass in a graph that was compiled for prediction");
    const bool memory = cell_.num_states == 2;
    const Array* in = given + 1 + cell_.num_states;
    const Array* out = in + 2 + cell_.num_states;
    layer_->backward(checked(in, out), {in[0].data, in[1].data, in[2].data, memory ? in[3].data : nullptr, out[0].data,
                                        given[0].data, given[1].data, memory ? given[2].data : nullptr,
                                        has_d_inputs_ ? gradients[0].data : nullptr, gradients[1].data,
                                        gradients[2].data, memory ? gradients[3].data : nullptr});
  }

 private:
  // The sizes, if those of all arrays fit each other.
  Sizes checked(const Array* in, const Array* out) const {
    const Dims hidden = dims_of(in[2]);
    const Sizes z = sizes_of(dims_of(in[0]), hidden);
    require_shape("weights", {num_weights(cell_, z)}, dims_of(in[1]));
    require_shape("outputs", {uint64_t(z.num_steps), hidden[0], hidden[1]}, dims_of(out[0]));
    if (cell_.num_states == 2) require_shape("memory", hidden, dims_of(in[3]));
    return z;
  }

  const Cell& cell_;
  const bool trains_, has_d_inputs_;
  const std::unique_ptr<Layer> layer_;
};

void count_norm(const Attributes&, int* num_inputs, int* num_outputs) {
  *num_inputs = 3;
  *num_outputs = 1;
}

void infer_norm(const Attributes&, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Shape& x = (*in)[0];
  require(!x.empty(), "x", "of at least one axis", "()");
  require_shape("gamma", {x.back()}, dims_of((*in)[1]));
  require_shape("beta", {x.back()}, dims_of((*in)[2]));
  (*out)[0] = x;
}

class LayerNorm : public Computation {
 public:
  explicit LayerNorm(const Attributes& attributes) : epsilon_(number_of(attributes, "epsilon")) {}

  void forward(const Array* in, const Array* out) override {
    normalise(rows_of(in[0]), in[0].data, in[1].data, in[2].data, out[0].data);
  }
  void backward(const Array* given, const Array* gradients) override {
    const Array* in = given + 1;
    normalise_backward(rows_of(in[0]), in[0].data, in[1].data, given[0].data, gradients[0].data, gradients[1].data,
                       gradients[2].data);
  }

 private:
  static float number_of(const Attributes& attributes, const char* name) {
    const std::string value = attributes.at(name);
    char* end = nullptr;
    const float number = std::strtof(value.c_str(), &end);
    require(!value.empty() && *end == 0 && number >= 0, name, "a number of at least 0", value);
    return number;
  }

  Rows rows_of(const Array& x) const {
    size_t count = 1;
    for (int axis = 0; axis + 1 < x.num_axes; ++axis) count *= x.shape[axis];
    const int size = static_cast<int>(x.shape[x.num_axes - 1]);
    return {size ? count : 0, size, epsilon_};
  }

  const float epsilon_;
};

template <typename Kind>
std::unique_ptr<Computation> create(const Attributes& attributes) {
  return std::make_unique<Kind>(attributes);
}

}  // namespace

const std::vector<Operator>& operators() {
  static const std::vector<Operator> all = {
      {"gluon_deeprnn_layer", count_layer, infer_layer, create<LayerComputation>},
      {"gluon_deeprnn_layer_norm", count_norm, infer_norm, create<LayerNorm>},
  };
  return all;
}

}  // namespace gluon_deeprnn
