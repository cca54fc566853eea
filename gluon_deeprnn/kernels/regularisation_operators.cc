// Regularisation as operators of MXNet: dropout of recurrent weights, and penalties on a layer's outputs.
//
//   penalty = gluon_deeprnn_activity(outputs[, row_weights], ar=..., tar=..., weighted=...)
//   dropped = gluon_deeprnn_weight_dropout(weights, coins, probability=..., count=..., behind=...)
//
// weights: flat; `count` of them are dropped, and `behind` follow these.  coins: 64 numbers that MXNet's dropout made of
// ones, each 0 with probability 0.5: the bits of the seed, so that MXNet's random numbers determine the mask.  Without
// training, dropout leaves them 1, and this operator copies the weights.
#include "activity.h"
#include "output_operators.h"
#include "requirements.h"
#include "weight_dropout.h"

namespace gluon_deeprnn {
namespace {

constexpr unsigned kCoins = 64;

void count_dropout(const Attributes&, int* num_inputs, int* num_outputs) {
  *num_inputs = 2;
  *num_outputs = 1;
}
int no_tokens(const Attributes&) { return -1; }

uint64_t size_attribute(const Attributes& attributes, const char* name) {
  const std::string value = attributes.at(name);
  char* end = nullptr;
  const long long size = std::strtoll(value.c_str(), &end, 10);
  require(!value.empty() && *end == 0 && 0 <= size && uint64_t(size) <= kMostElements, name, "an integer of at least 0",
          value);
  return size;
}

void infer_dropout(const Attributes& attributes, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Shape& weights = (*in)[0];
  require_shape("coins", {kCoins}, dims_of((*in)[1]));
  if (weights.size() == 1 && weights[0] != kUnknown) {
    const uint64_t least = size_attribute(attributes, "count") + size_attribute(attributes, "behind");
    require(weights[0] >= least, "weights", "of at least " + std::to_string(least) + " elements", text_of(dims_of(weights)));
  } else {
    require(weights.empty() || weights == Shape{kUnknown}, "weights", "of one axis", text_of(dims_of(weights)));
  }
  (*out)[0] = weights;
}

class WeightDropout : public Computation {
 public:
  explicit WeightDropout(const Attributes& attributes)
      : probability_(number_of(attributes, "probability")), count_(size_attribute(attributes, "count")),
        behind_(size_attribute(attributes, "behind")) {
    require(probability_ < 1, "probability", "below 1", std::to_string(probability_));
  }

  void forward(const Array* in, const Array* out) override { apply(in[0], in[1], in[0].data, out[0].data); }
  void backward(const Array* given, const Array* gradients) override {
    apply(given[1], given[2], given[0].data, gradients[0].data);
    std::fill(gradients[1].data, gradients[1].data + kCoins, 0.f);
  }

 private:
  void apply(const Array& weights, const Array& coins, const float* from, float* to) const {
    const size_t size = weights.shape[0];
    require(size >= count_ + behind_, "weights", "of at least " + std::to_string(count_ + behind_) + " elements",
            text_of(dims_of(weights)));
    require_shape("coins", {kCoins}, dims_of(coins));
    const bool trains = std::find(coins.data, coins.data + kCoins, 1.f) == coins.data + kCoins;
    uint64_t seed = 0;
    for (unsigned i = 0; i < kCoins; ++i) seed |= uint64_t(coins.data[i] != 0) << i;
    const size_t end = size - behind_;
    drop({trains ? end - count_ : size, trains ? end : size, probability_}, seed, size, from, to);
  }

  const float probability_;
  const size_t count_, behind_;
};

void count_activity(const Attributes& attributes, int* num_inputs, int* num_outputs) {
  *num_inputs = 1 + flag_of(attributes, "weighted");
  *num_outputs = 1;
}

void check_activity(const Dims& outputs, const Dims* row_weights) {
  require(outputs.size() == 3 && are_positive(outputs), "outputs", "(T, N, H), with at least one time step and sequence",
          text_of(outputs));
  if (row_weights) require_shape("row_weights", {outputs[0], outputs[1]}, *row_weights);
}

void infer_activity(const Attributes& attributes, std::vector<Shape>* in, std::vector<Shape>* out) {
  const Dims outputs = dims_of((*in)[0]), row_weights = dims_of(in->back());
  check_activity(outputs, flag_of(attributes, "weighted") ? &row_weights : nullptr);
  (*out)[0] = {1};
}

class ActivityComputation : public Computation {
 public:
  explicit ActivityComputation(const Attributes& attributes)
      : ar_(number_of(attributes, "ar")), tar_(number_of(attributes, "tar")), is_weighted_(flag_of(attributes, "weighted")) {}

  void forward(const Array* in, const Array* out) override { out[0].data[0] = penalty(activity(in)); }
  void backward(const Array* given, const Array* gradients) override {
    penalty_backward(activity(given + 1), given[0].data[0], gradients[0].data);
  }

 private:
  Activity activity(const Array* in) const {
    const Dims outputs = dims_of(in[0]), row_weights = is_weighted_ ? dims_of(in[1]) : Dims();
    check_activity(outputs, is_weighted_ ? &row_weights : nullptr);
    return {int(outputs[0]), int(outputs[1]), int(outputs[2]), in[0].data, is_weighted_ ? in[1].data : nullptr, ar_, tar_};
  }

  const float ar_, tar_;
  const bool is_weighted_;
};

}  // namespace

const Operator kActivity = {"gluon_deeprnn_activity", count_activity, no_tokens, infer_activity,
                            create<ActivityComputation>};
const Operator kWeightDropout = {"gluon_deeprnn_weight_dropout", count_dropout, no_tokens, infer_dropout,
                                 create<WeightDropout>};

}  // namespace gluon_deeprnn
