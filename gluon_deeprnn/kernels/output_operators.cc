// The output layer and its loss as operators of MXNet.
//
//   loss = gluon_deeprnn_cross_entropy(hidden, weight, bias, targets[, row_weights], trains=..., weighted=...,
//                                      smoothing=...)
//   log_p = gluon_deeprnn_log_probs(hidden, weight, bias, targets)
//
// trains: as for the layer (operator.cc).  Targets are tokens, int32.  With smoothing above 0, there are two losses: that
// for smoothed targets and, without a gradient, that for the targets.
#include "cross_entropy.h"
#include "output_operators.h"
#include "requirements.h"

namespace gluon_deeprnn {
namespace {

void count_cross_entropy(const Attributes& attributes, int* num_inputs, int* num_outputs) {
  *num_inputs = 4 + flag_of(attributes, "weighted");
  *num_outputs = 1;
}
void count_log_probs(const Attributes&, int* num_inputs, int* num_outputs) {
  *num_inputs = 4;
  *num_outputs = 1;
}

float smoothing_of(const Attributes& attributes) {
  const float found = number_of(attributes, "smoothing");
  require(found < 1, "smoothing", "below 1", std::to_string(found));
  return found;
}

// Sizes of the output layer, if those of all arrays fit each other.
OutputSizes output_sizes_of(const std::vector<Dims>& in) {
  const Dims &hidden = in[0], &weight = in[1];
  require(hidden.size() == 3 && are_positive(hidden), "hidden", "(T, N, H), with at least one time step and sequence",
          text_of(hidden));
  require(weight.size() == 2 && are_positive(weight) && weight[1] == hidden[2], "weight",
          "(V, " + std::to_string(hidden[2]) + ")", text_of(weight));
  require_shape("bias", {weight[0]}, in[2]);
  require_shape("targets", {hidden[0], hidden[1]}, in[3]);
  if (in.size() > 4) require_shape("row_weights", {hidden[0], hidden[1]}, in[4]);
  return {hidden[0] * hidden[1], int(hidden[2]), int(weight[0])};
}
OutputSizes output_sizes_of(const Array* in, int count) {
  std::vector<Dims> dims;
  for (int i = 0; i < count; ++i) dims.push_back(dims_of(in[i]));
  return output_sizes_of(dims);
}
OutputArrays output_layer(const Array* in, bool is_weighted, float smoothing = 0) {
  return {in[0].data, in[1].data, in[2].data, in[3].tokens(), is_weighted ? in[4].data : nullptr, smoothing};
}

void infer_output(const std::vector<Shape>& in) {
  std::vector<Dims> dims;
  for (const Shape& shape : in) dims.push_back(dims_of(shape));
  output_sizes_of(dims);
}
void infer_cross_entropy(const Attributes& attributes, std::vector<Shape>* in, std::vector<Shape>* out) {
  infer_output(*in);
  (*out)[0] = {smoothing_of(attributes) > 0 ? 2u : 1u};
}
void infer_log_probs(const Attributes&, std::vector<Shape>* in, std::vector<Shape>* out) {
  infer_output(*in);
  (*out)[0] = (*in)[3];
}
int tokens_of_output(const Attributes&) { return 3; }

class CrossEntropyComputation : public Computation {
 public:
  explicit CrossEntropyComputation(const Attributes& attributes)
      : trains_(flag_of(attributes, "trains")), is_weighted_(flag_of(attributes, "weighted")),
        smoothing_(smoothing_of(attributes)) {}

  void forward(const Array* in, const Array* out) override {
    const OutputSizes z = output_sizes_of(in, 4 + is_weighted_);
    require_tokens("targets", in[3].tokens(), z.num_rows, z.vocab_size);
    const Losses found = loss_.forward(z, output_layer(in, is_weighted_, smoothing_), trains_);
    out[0].data[0] = found.minimized;
    if (smoothing_ > 0) out[0].data[1] = found.mean;
  }
  void backward(const Array* given, const Array* gradients) override {
    if (!trains_) throw std::invalid_argument("there is no backward pass in a graph that was compiled for prediction");
    const OutputSizes z = output_sizes_of(given + 1, 4 + is_weighted_);
    loss_.backward(z, given[0].data[0], gradients[0].data, gradients[1].data, gradients[2].data);
  }

 private:
  const bool trains_, is_weighted_;
  const float smoothing_;
  CrossEntropy loss_;
};

class LogProbsComputation : public Computation {
 public:
  explicit LogProbsComputation(const Attributes&) {}

  void forward(const Array* in, const Array* out) override {
    const OutputSizes z = output_sizes_of(in, 4);
    require_tokens("targets", in[3].tokens(), z.num_rows, z.vocab_size);
    log_probs(z, output_layer(in, false), out[0].data);
  }
  void backward(const Array*, const Array*) override {
    throw std::invalid_argument("gluon_deeprnn_log_probs has no backward pass");
  }
};

}  // namespace

const Operator kCrossEntropy = {"gluon_deeprnn_cross_entropy", count_cross_entropy, tokens_of_output,
                                infer_cross_entropy, create<CrossEntropyComputation>};
const Operator kLogProbs = {"gluon_deeprnn_log_probs", count_log_probs, tokens_of_output, infer_log_probs,
                            create<LogProbsComputation>};

}  // namespace gluon_deeprnn
