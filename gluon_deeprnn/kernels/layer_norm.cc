#include "layer_norm.h"

#include <algorithm>
#include <cmath>

#include "aligned.h"
#include "parallel.h"
#include "vectors.h"

namespace gluon_deeprnn {
namespace {

constexpr int kParts = 16;  // partial sums of the gradients of gamma and beta, whatever the number of threads
constexpr size_t kFewRows = 64;  // that one thread computes faster than several

struct Moments {
  float mean, inverse;  // 1 / sqrt(variance + epsilon)
};
inline Moments moments(const Rows& rows, const float* x) {
  Vector sum = {}, squares = {};
  for (int i = 0; i < rows.size; i += kLanes) sum += load(x + i, rows.size - i);
  const float mean = sum_of(sum) / rows.size;
  int i = 0;
  for (; i + kLanes <= rows.size; i += kLanes) {
    const Vector distance = load(x + i) - mean;
    squares += distance * distance;
  }
  float variance = sum_of(squares);
  for (; i < rows.size; ++i) variance += (x[i] - mean) * (x[i] - mean);
  return {mean, 1.f / std::sqrt(variance / rows.size + rows.epsilon)};
}

}  // namespace

void normalise(const Rows& rows, const float* x, const float* gamma, const float* beta, float* y) {
  divide(rows.count, rows.count > kFewRows, [=](size_t r) {
    const float* from = x + r * rows.size;
    float* to = y + r * rows.size;
    const Moments m = moments(rows, from);
    for (int i = 0; i < rows.size; i += kLanes) {
      const int count = rows.size - i;
      store(to + i, (load(from + i, count) - m.mean) * m.inverse * load(gamma + i, count) + load(beta + i, count),
            count);
    }
  });
}

// With h = (x - mean) / deviation and g = gamma dy: dx = (g - mean(g) - h mean(g h)) / deviation.
void normalise_backward(const Rows& rows, const float* x, const float* gamma, const float* dy, float* dx, float* dgamma,
                        float* dbeta) {
  const int padded = (rows.size + kLanes - 1) / kLanes * kLanes;
  const AlignedFloats memory(size_t(kParts) * 2 * padded);
  float* sums = memory.data();
  std::fill(sums, sums + size_t(kParts) * 2 * padded, 0.f);
  divide(kParts, rows.count > kFewRows, [=](size_t part) {
    float *d_gamma = sums + part * 2 * padded, *d_beta = d_gamma + padded;
    for (size_t r = part * rows.count / kParts; r < (part + 1) * rows.count / kParts; ++r) {
      const float *from = x + r * rows.size, *d = dy + r * rows.size;
      const Moments m = moments(rows, from);
      Vector total = {}, along = {};
      for (int i = 0; i < rows.size; i += kLanes) {
        const int count = rows.size - i;
        const Vector slope = load(d + i, count), h = (load(from + i, count) - m.mean) * m.inverse;
        const Vector g = slope * load(gamma + i, count);  // zeros behind the row's end, whatever h is there
        total += g;
        along += g * h;
        store(d_gamma + i, load(d_gamma + i) + slope * h);
        store(d_beta + i, load(d_beta + i) + slope);
      }
      const float mean_g = sum_of(total) / rows.size, mean_gh = sum_of(along) / rows.size;
      for (int i = 0; i < rows.size; i += kLanes) {
        const int count = rows.size - i;
        const Vector h = (load(from + i, count) - m.mean) * m.inverse;
        const Vector g = load(d + i, count) * load(gamma + i, count);
        store(dx + r * rows.size + i, (g - mean_g - h * mean_gh) * m.inverse, count);
      }
    }
  });
  for (int i = 0; i < rows.size; ++i) {
    dgamma[i] = dbeta[i] = 0;
    for (int part = 0; part < kParts; ++part) {
      dgamma[i] += sums[size_t(part) * 2 * padded + i];
      dbeta[i] += sums[(size_t(part) * 2 + 1) * padded + i];
    }
  }
}

}  // namespace gluon_deeprnn
