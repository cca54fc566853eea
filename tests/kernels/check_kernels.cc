// The kernels at ragged sizes, as a program for sanitizers: it ends with status 0 where all that it checks holds.
//
// The numbers themselves are compared with MXNet's, with the equations and with NumPy elsewhere.  Here: the same call
// gives the same bits again, in several threads at a time, with kept and with new weights; and no access
// is out of bounds or a race, which the sanitizers report.  Every array is a block of its own, of exactly its size.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <thread>
#include <vector>

#include "abi.h"
#include "activity.h"
#include "check.h"
#include "cross_entropy.h"
#include "layer.h"
#include "layer_norm.h"
#include "weight_dropout.h"

using namespace gluon_deeprnn;
// What a layer is given, and what it computes.  The tokens are those of the one-hot vectors.
enum Inputs { kFull, kOneHot, kTokens };
struct Use {
  const Cell& cell;
  Sizes z;
  bool are_tokens;
  std::vector<int32_t> tokens;
  Floats inputs, weights, h, c, outputs, h_last, c_last, d_inputs, d_weights, d_h, d_c;

  Use(const char* name, Sizes sizes, Inputs kind) : cell(*find_cell(name)), z(sizes), are_tokens(kind == kTokens) {
    const size_t of_state = size_t(z.batch_size) * z.num_hiddens, rows = size_t(z.num_steps) * z.batch_size;
    inputs = some(rows * z.num_inputs, 1);
    for (size_t row = 0; row < rows; ++row) tokens.push_back(row * 7 % z.num_inputs);
    if (kind == kOneHot) {
      inputs.assign(inputs.size(), 0.f);
      for (size_t row = 0; row < rows; ++row) inputs[row * z.num_inputs + tokens[row]] = 1;
    }
    weights = some(size_t(cell.num_gates) * z.num_hiddens * (z.num_inputs + z.num_hiddens + 2), 2, .3f);
    h = some(of_state, 3), h_last.resize(of_state), d_h.resize(of_state);
    if (cell.num_states == 2) c = some(of_state, 4), c_last.resize(of_state), d_c.resize(of_state);
    outputs.resize(rows * z.num_hiddens), d_inputs.resize(inputs.size()), d_weights.resize(weights.size());
  }
  void forward(Layer* layer, bool trains) {
    layer->forward(z, {features(), indices(), weights.data(), h.data(), c.data(), outputs.data(), h_last.data(), c_last.data()},
                   trains);
  }
  void backward(Layer* layer) {
    const Floats slopes = some(outputs.size(), 5), of_h = some(h.size(), 6), of_c = some(c.size(), 7);
    layer->backward(z, {features(), indices(), weights.data(), h.data(), c.data(), outputs.data(), slopes.data(),
                        of_h.data(), of_c.data(), are_tokens ? nullptr : d_inputs.data(), d_weights.data(), d_h.data(),
                        d_c.data()});
  }
  Floats results() const {
    Floats all;
    for (const Floats* part : {&outputs, &h_last, &c_last, &d_weights, &d_h, &d_c, &d_inputs})
      all.insert(all.end(), part->begin(), part->end());
    return all;
  }

 private:
  const float* features() const { return are_tokens ? nullptr : inputs.data(); }
  const int32_t* indices() const { return are_tokens ? tokens.data() : nullptr; }
};

static Floats trained(const char* name, Sizes z, Inputs kind) {
  Use use(name, z, kind);
  const auto layer = use.cell.create();
  use.forward(layer.get(), true);
  use.backward(layer.get());
  return use.results();
}

static void check_training(const char* name, Sizes z) {
  for (Inputs kind : {kFull, kOneHot, kTokens}) {
    const Floats expected = trained(name, z, kind);
    for (float x : expected) must(x - x == 0, "every result is finite");
    Floats found[3];
    std::vector<std::thread> threads;
    for (Floats& mine : found) threads.emplace_back([&] { mine = trained(name, z, kind); });
    for (std::thread& thread : threads) thread.join();
    for (const Floats& mine : found) must(mine == expected, "several layers at a time compute what one does");
  }
  const Floats of_tokens = trained(name, z, kTokens), of_vectors = trained(name, z, kOneHot);
  const size_t without_d_inputs = of_tokens.size() - size_t(z.num_steps) * z.batch_size * z.num_inputs;
  must(std::equal(of_tokens.begin(), of_tokens.begin() + without_d_inputs, of_vectors.begin()),
       "tokens compute what their one-hot vectors do");
}

// Kept weights are those that are there: packed again after each change of any of them, and only then.
static void check_packing(const char* name, Sizes z) {
  Use use(name, z, kFull);
  const auto layer = use.cell.create();
  for (int call = 0; call < 4; ++call) use.forward(layer.get(), false);
  size_t packings = layer->num_packings();
  must(packings == 2, "weights that do not change are packed for the first call and the second");
  for (size_t changed : {size_t{0}, use.weights.size() / 2, use.weights.size() - 1}) {
    use.weights[changed] += .25f;
    for (int call = 0; call < 2; ++call) use.forward(layer.get(), false);
    must(layer->num_packings() == ++packings, "a changed weight is packed once");
    const Floats found = use.outputs;
    use.forward(use.cell.create().get(), false);
    must(found == use.outputs, "a changed weight is used");
  }
  use.forward(layer.get(), true);
  use.backward(layer.get());
  Use other(name, {z.num_steps + 1, z.batch_size + 2, z.num_inputs + 3, z.num_hiddens + 5}, kFull);
  other.forward(layer.get(), false);
  const Floats found = other.outputs;
  other.forward(other.cell.create().get(), false);
  must(found == other.outputs, "other sizes are used");
  try {
    other.backward(layer.get());
    must(false, "a backward pass needs a forward pass");
  } catch (const std::invalid_argument&) {
  }
}

static void check_cross_entropy(OutputSizes z, bool is_weighted, float smoothing) {
  const size_t H = z.num_hiddens, V = z.vocab_size;
  const Floats hidden = some(z.num_rows * H, 1), weight = some(V * H, 2), bias = some(V, 3);
  const Floats weights = is_weighted ? some(z.num_rows, 4) : Floats();
  std::vector<int32_t> targets;
  for (size_t row = 0; row < z.num_rows; ++row) targets.push_back(row * 7 % V);
  const OutputArrays a = {hidden.data(), weight.data(), bias.data(), targets.data(),
                         is_weighted ? weights.data() : nullptr, smoothing};
  CrossEntropy trained, predicted;
  const Losses losses = trained.forward(z, a, true), others = predicted.forward(z, a, false);
  must(others.minimized == losses.minimized && others.mean == losses.mean,
       "the losses are the same with and without gradients");
  must((losses.minimized == losses.mean) == (smoothing == 0 || V == 1), "only smoothing changes the loss");
  const float loss = losses.mean;
  Floats d_hidden(hidden.size()), d_weight(weight.size()), d_bias(V), log_p(z.num_rows);
  trained.backward(z, .5f, d_hidden.data(), d_weight.data(), d_bias.data());
  log_probs(z, a, log_p.data());
  double summed = 0;
  for (size_t row = 0; row < z.num_rows; ++row)
    summed -= double(log_p[row]) * (is_weighted ? weights[row] : 1.f / z.num_rows);
  must(std::abs(summed - loss) < 1e-4 * (1 + std::abs(loss)), "the loss is the sum of the log-probabilities");
  for (const Floats* part : {&d_hidden, &d_weight, &d_bias})
    for (float number : *part) must(number - number == 0, "every result is finite");
  try {
    predicted.backward(z, 1, d_hidden.data(), d_weight.data(), d_bias.data());
    must(false, "a backward pass needs a forward pass that trains");
  } catch (const std::invalid_argument&) {
  }
}

static void check_layer_norm(size_t count, int size) {
  const Rows rows = {count, size, 1e-5f};
  const Floats x = some(count * size, 1), gamma = some(size, 2), beta = some(size, 3), dy = some(count * size, 4);
  Floats y(x.size()), dx(x.size()), d_gamma(size), d_beta(size);
  normalise(rows, x.data(), gamma.data(), beta.data(), y.data());
  normalise_backward(rows, x.data(), gamma.data(), dy.data(), dx.data(), d_gamma.data(), d_beta.data());
  for (const Floats* part : {&y, &dx, &d_gamma, &d_beta})
    for (float number : *part) must(number - number == 0, "every result is finite");
}

static void check_weight_dropout(const Dropped& dropped, size_t size) {
  const Floats from = some(size, 1);
  Floats to(size), again(size), gradients(size);
  drop(dropped, 0x123456789abcdefu, size, from.data(), to.data());
  std::thread([&] { drop(dropped, 0x123456789abcdefu, size, from.data(), again.data()); }).join();
  must(to == again, "the same seed drops the same weights");
  size_t num_dropped = 0;
  for (size_t i = 0; i < size; ++i) {
    const bool may_be = dropped.begin <= i && i < dropped.end;
    must(may_be || to[i] == from[i], "weights outside of the range stay as they are");
    num_dropped += may_be && to[i] == 0 && from[i] != 0;
  }
  const double expected = dropped.probability * double(dropped.end - dropped.begin);
  must(std::abs(double(num_dropped) - expected) <= 6 * std::sqrt(expected) + 1, "the share that is dropped is as asked");
}

static void check_activity(int steps, int batch, int hiddens) {
  const size_t rows = size_t(steps) * batch;
  const Floats x = some(rows * hiddens, 1);
  Floats weights(rows, 1.f / rows), dx(x.size()), weighted_dx(x.size());
  const Activity plain = {steps, batch, hiddens, x.data(), nullptr, 2.f, 3.f};
  const Activity weighted = {steps, batch, hiddens, x.data(), weights.data(), 2.f, 3.f};
  const float one = penalty(plain), other = penalty(weighted);
  must(std::abs(one - other) <= 1e-5f * std::abs(one), "equal weights are those of a mean");
  penalty_backward(plain, 1.5f, dx.data());
  penalty_backward(weighted, 1.5f, weighted_dx.data());
  for (size_t i = 0; i < dx.size(); ++i)
    must(std::abs(dx[i] - weighted_dx[i]) <= 1e-6f, "equal weights have the gradients of a mean");
}

// Through the operators, as MXNet calls them: shapes that do not fit are refused before anything is computed.
static void check_operator() {
  const char *names[] = {"cell", "trains", "vocab_size"}, *values[] = {"gru", "0", "0"};
  const auto computation = operators()[0].create(Attributes(names, values, 3));
  Floats x = some(2 * 3 * 4, 1), w = some(3 * 5 * 11, 2), h = some(3 * 5, 3), y(2 * 3 * 5), last(3 * 5);
  for (const int64_t steps : {2, 0}) {
    const int64_t of_x[] = {steps, 3, 4}, of_w[] = {3 * 5 * 11}, of_h[] = {3, 5}, of_y[] = {steps, 3, 5};
    const Array in[] = {{of_x, 3, x.data()}, {of_w, 1, w.data()}, {of_h, 2, h.data()}};
    const Array out[] = {{of_y, 3, y.data()}, {of_h, 2, last.data()}};
    try {
      computation->forward(in, out);
      must(steps == 2, "zero steps are refused");
    } catch (const std::invalid_argument&) {
      must(steps == 0, "two steps are taken");
    }
  }
}

int main() {
  for (const char* name : {"rnn_tanh", "rnn_relu", "rnn_sigmoid", "rnn_softsign", "rnn_softrelu", "lstm", "gru"}) {
    for (const Sizes& z : {Sizes{1, 1, 1, 1}, Sizes{3, 9, 17, 17}, Sizes{5, 21, 28, 33}, Sizes{70, 2, 9, 16}})
      check_training(name, z);
    check_training(name, {20, 40, 30, 70});  // in several threads, with sums that are added up in parallel
    check_packing(name, {1, 1, 19, 21});
    check_writing(name);
  }
  for (bool is_weighted : {false, true})
    for (const OutputSizes& z : {OutputSizes{1, 1, 1}, OutputSizes{65, 17, 28}, OutputSizes{200, 9, 513},
                                 OutputSizes{130, 70, 1300}, OutputSizes{3000, 33, 30}})
      for (float smoothing : {0.f, .1f}) check_cross_entropy(z, is_weighted, smoothing);
  for (int size : {1, 7, 16, 65}) check_layer_norm(100, size);
  check_layer_norm(1, 3);
  check_weight_dropout({0, 100'000, .3f}, 100'000);
  check_weight_dropout({7, 8201, .5f}, 30'011);
  check_weight_dropout({3, 3, .5f}, 5);
  for (int hiddens : {1, 7, 16, 65}) check_activity(5, 3, hiddens);
  check_activity(1, 2, 9), check_activity(70, 40, 33);
  check_operator();
  must(!find_cell("rnn") && !find_cell("") && !find_cell("tanh"), "an unknown cell is not found");
}
