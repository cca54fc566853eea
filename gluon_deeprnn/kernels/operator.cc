// What is here as operators of MXNet, through the interface for libraries that its wheel ships (lib_api.h).
//
//   y = gluon_deeprnn_layer_norm(x, gamma, beta, epsilon=...)
//   outputs, hidden[, memory] = gluon_deeprnn_layer(inputs, weights, hidden[, memory], cell=..., trains=..., d_inputs=...)
//
// trains: 1 keeps what the way back needs, in the operator's state (as an output, MXNet would write a gradient of zeros
// for it); 0 has no way back.  d_inputs: 0 leaves the gradient of the inputs undefined, for inputs that have no use for
// it; the interface does not tell.  Nor does it tell whether a gradient is to be written or added: kernels/__init__.py
// sees to it that it is always written.
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "layer.h"
#include "layer_norm.h"
#include "mxnet/lib_api.h"

using namespace mxnet::ext;  // NOLINT: the interface's macros expect it
using gluon_deeprnn::Cell;
using gluon_deeprnn::Rows;
using gluon_deeprnn::Sizes;
using gluon_deeprnn::normalise;
using gluon_deeprnn::normalise_backward;

namespace {

using Attributes = std::unordered_map<std::string, std::string>;
using Shapes = std::vector<std::vector<unsigned int>>;

Cell cell_of(const Attributes& attributes) {
  const std::string& name = attributes.at("cell");
  return name == "gru" ? gluon_deeprnn::GRU : name == "lstm" ? gluon_deeprnn::LSTM
       : name == "rnn_relu" ? gluon_deeprnn::RNN_RELU : gluon_deeprnn::RNN_TANH;
}

MXReturnValue parse(const Attributes& attributes, int* num_inputs, int* num_outputs) {
  const int states = num_states(cell_of(attributes));
  *num_inputs = 2 + states;
  *num_outputs = 1 + states;
  return MX_SUCCESS;
}

MXReturnValue infer_type(const Attributes&, std::vector<int>* in, std::vector<int>* out) {
  for (int& type : *in) type = kFloat32;
  for (int& type : *out) type = kFloat32;
  return MX_SUCCESS;
}

MXReturnValue refuse(const char* why) {
  MX_ERROR_MSG << "gluon_deeprnn_layer: " << why;
  return MX_FAIL;
}

float* at(std::vector<MXTensor>* arrays, int i) { return (*arrays)[i].data<float>(); }

MXReturnValue infer_shape(const Attributes& attributes, Shapes* in, Shapes* out) {
  const std::vector<unsigned int>&inputs = (*in)[0], &weights = (*in)[1], &hidden = (*in)[2];
  if (inputs.size() != 3 || weights.size() != 1 || hidden.size() != 2)
    return refuse("inputs must be (T, N, D), weights flat, states (N, H)");
  const uint64_t rows = uint64_t(num_gates(cell_of(attributes))) * hidden[1];
  if (hidden[0] != inputs[1] || weights[0] != rows * (inputs[2] + hidden[1] + 2) || in->back() != hidden)
    return refuse("sizes of inputs, weights and states must fit each other");
  (*out)[0] = {inputs[0], inputs[1], hidden[1]};
  for (size_t i = 1; i < out->size(); ++i) (*out)[i] = hidden;
  return MX_SUCCESS;
}

class Layer : public CustomStatefulOp {
 public:
  explicit Layer(const Attributes& attributes)
      : cell_(cell_of(attributes)), trains_(attributes.at("trains") != "0"),
        has_d_inputs_(attributes.at("d_inputs") != "0") {}

  MXReturnValue Forward(std::vector<MXTensor>* in, std::vector<MXTensor>* out, const OpResource&) override {
    const Sizes sizes = sizes_of(in->data());
    const bool memory = cell_ == gluon_deeprnn::LSTM;
    if (trains_) kept_.resize(kept_size(sizes));
    forward(sizes, {at(in, 0), at(in, 1), at(in, 2), memory ? at(in, 3) : nullptr, at(out, 0), at(out, 1),
                    memory ? at(out, 2) : nullptr, trains_ ? kept_.data() : nullptr});
    return MX_SUCCESS;
  }

  // in: the gradients of the outputs, then the inputs, then the outputs.
  MXReturnValue Backward(std::vector<MXTensor>* in, std::vector<MXTensor>* out, const OpResource&) override {
    if (!trains_) return refuse("there is no way back from a graph that was compiled for prediction");
    const bool memory = cell_ == gluon_deeprnn::LSTM;
    const int inputs = memory ? 3 : 2, outputs = inputs + (memory ? 4 : 3);
    backward(sizes_of(in->data() + inputs),
             {at(in, inputs), at(in, inputs + 1), at(in, inputs + 2), memory ? at(in, inputs + 3) : nullptr,
              at(in, outputs), kept_.data(), at(in, 0), at(in, 1), memory ? at(in, 2) : nullptr,
              has_d_inputs_ ? at(out, 0) : nullptr, at(out, 1), at(out, 2), memory ? at(out, 3) : nullptr});
    return MX_SUCCESS;
  }

 private:
  Sizes sizes_of(const MXTensor* inputs) const {
    return {cell_, static_cast<int>(inputs[0].shape[0]), static_cast<int>(inputs[0].shape[1]),
            static_cast<int>(inputs[0].shape[2]), static_cast<int>(inputs[2].shape[1])};
  }

  const Cell cell_;
  const bool trains_, has_d_inputs_;
  std::vector<float> kept_;
};

MXReturnValue create(const Attributes& attributes, const MXContext&, const Shapes&, const std::vector<int>,
                     CustomStatefulOp** op) {
  *op = CustomStatefulOp::create<Layer>(attributes);
  return MX_SUCCESS;
}

REGISTER_OP(gluon_deeprnn_layer)
    .setParseAttrs(parse)
    .setInferType(infer_type)
    .setInferShape(infer_shape)
    .setCreateOpState(create, "cpu");

MXReturnValue norm_parse(const Attributes&, int* num_inputs, int* num_outputs) {
  *num_inputs = 3;
  *num_outputs = 1;
  return MX_SUCCESS;
}

MXReturnValue norm_shape(const Attributes&, Shapes* in, Shapes* out) {
  const std::vector<unsigned int>& x = (*in)[0];
  if (x.empty() || (*in)[1] != std::vector<unsigned int>{x.back()} || (*in)[2] != (*in)[1]) {
    MX_ERROR_MSG << "gluon_deeprnn_layer_norm: gamma and beta must have the size of a row";
    return MX_FAIL;
  }
  (*out)[0] = x;
  return MX_SUCCESS;
}

Rows rows_of(const Attributes& attributes, const MXTensor& x) {
  const int64_t size = x.shape.back();
  return {static_cast<size_t>(size ? x.size() / size : 0), static_cast<int>(size), std::stof(attributes.at("epsilon"))};
}

MXReturnValue norm_forward(const Attributes& attributes, std::vector<MXTensor>* in, std::vector<MXTensor>* out,
                           const OpResource&) {
  normalise(rows_of(attributes, (*in)[0]), at(in, 0), at(in, 1), at(in, 2), at(out, 0));
  return MX_SUCCESS;
}

// in: the gradient of y, then x, gamma, beta and y.
MXReturnValue norm_backward(const Attributes& attributes, std::vector<MXTensor>* in, std::vector<MXTensor>* out,
                            const OpResource&) {
  normalise_backward(rows_of(attributes, (*in)[1]), at(in, 1), at(in, 2), at(in, 0), at(out, 0), at(out, 1),
                     at(out, 2));
  return MX_SUCCESS;
}

REGISTER_OP(gluon_deeprnn_layer_norm)
    .setParseAttrs(norm_parse)
    .setInferType(infer_type)
    .setInferShape(norm_shape)
    .setForward(norm_forward, "cpu")
    .setBackward(norm_backward, "cpu");

}  // namespace

MXReturnValue initialize(int) { return MX_SUCCESS; }
