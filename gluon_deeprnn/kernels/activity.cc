#include "activity.h"

#include <cstddef>
#include <vector>

#include "parallel.h"
#include "vectors.h"

namespace gluon_deeprnn {
namespace {

constexpr size_t kFewElements = 65536;  // that one thread computes faster than several

// What the rows of each time step count: of the squares, and of the differences from the step before.
class RowWeights {
 public:
  explicit RowWeights(const Activity& a) : a_(a) {
    const double all = a.weights ? a.num_hiddens : double(a.num_steps) * a.batch_size * a.num_hiddens;
    square_ = a.ar / all;
    if (a.num_steps > 1) difference_ = a.tar / all * a.num_steps / (a.num_steps - 1);
  }
  float of_square(int t, int n) const { return square_ * of_row(t, n); }
  float of_difference(int t, int n) const { return 0 < t && t < a_.num_steps ? difference_ * of_row(t, n) : 0.f; }

 private:
  float of_row(int t, int n) const { return a_.weights ? a_.weights[size_t(t) * a_.batch_size + n] : 1.f; }

  const Activity& a_;
  float square_ = 0, difference_ = 0;
};

bool is_large(const Activity& a) { return size_t(a.num_steps) * a.batch_size * a.num_hiddens > kFewElements; }

}  // namespace

float penalty(const Activity& a) {
  const RowWeights weights(a);
  const size_t step = size_t(a.batch_size) * a.num_hiddens;
  std::vector<double> of_steps(a.num_steps);
  double* sums = of_steps.data();
  divide(a.num_steps, is_large(a), [=, &a, &weights](size_t t) {
    sums[t] = 0;
    for (int n = 0; n < a.batch_size; ++n) {
      const float* now = a.x + t * step + size_t(n) * a.num_hiddens;
      const float* before = t ? now - step : now;
      Vector squares = {}, differences = {};
      for (int i = 0; i < a.num_hiddens; i += kLanes) {
        const int count = a.num_hiddens - i;
        const Vector x = load(now + i, count), change = x - load(before + i, count);
        squares += x * x;
        differences += change * change;
      }
      sums[t] += double(weights.of_square(t, n)) * sum_of(squares);
      sums[t] += double(weights.of_difference(t, n)) * sum_of(differences);
    }
  });
  double sum = 0;
  for (const double each : of_steps) sum += each;
  return sum;
}

void penalty_backward(const Activity& a, float slope, float* dx) {
  const RowWeights weights(a);
  const size_t step = size_t(a.batch_size) * a.num_hiddens;
  divide(a.num_steps, is_large(a), [=, &a, &weights](size_t t) {
    for (int n = 0; n < a.batch_size; ++n) {
      const size_t row = t * step + size_t(n) * a.num_hiddens;
      const float* now = a.x + row;
      const float* before = t ? now - step : now;
      const float* after = int(t) + 1 < a.num_steps ? now + step : now;
      const float square = 2 * slope * weights.of_square(t, n), from_before = 2 * slope * weights.of_difference(t, n);
      const float to_after = 2 * slope * weights.of_difference(t + 1, n);
      for (int i = 0; i < a.num_hiddens; i += kLanes) {
        const int count = a.num_hiddens - i;
        const Vector x = load(now + i, count);
        store(dx + row + i, square * x + from_before * (x - load(before + i, count)) -
              to_after * (load(after + i, count) - x), count);
      }
    }
  });
}

}  // namespace gluon_deeprnn
