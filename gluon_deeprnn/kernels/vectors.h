// Vectors of floats, and the functions of a recurrent cell on them.
#ifndef GLUON_DEEPRNN_VECTORS_H_
#define GLUON_DEEPRNN_VECTORS_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// For what gets or gives vectors: they are to stay in registers.
#define INLINED __attribute__((always_inline))

namespace gluon_deeprnn {
namespace {

constexpr int kLanes = LANES;  // floats in a vector: 16 for AVX-512, 8 for AVX2, 4 for NEON
constexpr int kRegisters = LANES == 8 ? 16 : 32;  // vectors that the processor holds

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));

INLINED inline float sum_of(Vector v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

INLINED inline Vector load(const float* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
INLINED inline void store(float* to, Vector v) { std::memcpy(to, &v, sizeof v); }
INLINED inline Vector all(float x) { return x - Vector{}; }  // x + 0 would be an addition, for the sake of -0

// The same for the end of a row, of which only `count` elements exist; the others are zeros.  No element behind them is
// read or written.  PLAIN_ENDS takes the portable version everywhere: sanitizers do not check masked instructions.
#if LANES == 16 && defined(__AVX512F__) && !defined(PLAIN_ENDS)
INLINED inline __mmask16 first(int count) { return count > 0 ? __mmask16((1u << count) - 1) : __mmask16(0); }
INLINED inline Vector load(const float* from, int count) {
  if (count >= kLanes) return load(from);
  return Vector(_mm512_maskz_loadu_ps(first(count), from));
}
INLINED inline void store(float* to, Vector v, int count) {
  if (count >= kLanes) return store(to, v);
  _mm512_mask_storeu_ps(to, first(count), __m512(v));
}
#elif LANES == 8 && defined(__AVX2__) && !defined(PLAIN_ENDS)
INLINED inline __m256i first(int count) {
  alignas(64) static constexpr int32_t kMask[2 * kLanes] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + kLanes - std::max(count, 0)));
}
INLINED inline Vector load(const float* from, int count) {
  if (count >= kLanes) return load(from);
  return Vector(_mm256_maskload_ps(from, first(count)));
}
INLINED inline void store(float* to, Vector v, int count) {
  if (count >= kLanes) return store(to, v);
  _mm256_maskstore_ps(to, first(count), __m256(v));
}
#else
INLINED inline Vector load(const float* from, int count) {
  if (count >= kLanes) return load(from);
  float padded[kLanes] = {};
  if (count > 0) std::memcpy(padded, from, sizeof(float) * count);
  return load(padded);
}
INLINED inline void store(float* to, Vector v, int count) {
  if (count >= kLanes) return store(to, v);
  float padded[kLanes];
  store(padded, v);
  if (count > 0) std::memcpy(to, padded, sizeof(float) * count);
}
#endif

// exp(x) - 1 = 2^n (exp(f) - 1) + (2^n - 1) with x = n ln 2 + f; exp(f) - 1 by its Taylor series.  NaN stays NaN.
struct PowerOfTwo {
  Vector scale, rest;  // 2^n, exp(f) - 1
};
INLINED inline PowerOfTwo split_exp(Vector x) {
  const Vector shifted = x * 1.44269504f + 12582912.f;  // 1.5 * 2^23: the integer ends up in the lowest bits
  const Vector n = shifted - 12582912.f;
  const Vector f = x - n * 0.693359375f + n * 2.12194440e-4f;
  Vector p = f * (1.f / 5040) + 1.f / 720;
  p = p * f + 1.f / 120;
  p = p * f + 1.f / 24;
  p = p * f + 1.f / 6;
  p = p * f + .5f;
  p = p * f + 1.f;
  Integers bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127 << 23);
  Vector scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return {scale, p * f};
}
INLINED inline Vector clamp(Vector x, float limit) {
  x = x > limit ? all(limit) : x;
  return x < -limit ? all(-limit) : x;
}
INLINED inline Vector exp(Vector x) {  // at least e^-87, at most e^87
  const PowerOfTwo e = split_exp(clamp(x, 87.f));
  return e.scale * e.rest + e.scale;
}
INLINED inline Vector sigmoid(Vector x) {
  const PowerOfTwo e = split_exp(clamp(-x, 87.f));
  return 1.f / (e.scale * e.rest + e.scale + 1.f);
}
INLINED inline Vector tanh(Vector x) {
  const PowerOfTwo e = split_exp(clamp(x, 10.f) * 2.f);
  const Vector less_one = e.scale * e.rest + (e.scale - 1.f);
  return less_one / (less_one + 2.f);
}

INLINED inline Vector magnitude(Vector x) { return x < 0.f ? -x : x; }
// log(1 + exp(x)) = max(x, 0) + log(1 + u) with u = exp(-|x|), and log(1 + u) = 2 artanh(u / (2 + u)), whose argument is
// at most 1/3, by its Taylor series.
INLINED inline Vector softrelu(Vector x) {
  const Vector u = exp(-magnitude(x)), s = u / (2.f + u), square = s * s;
  Vector p = square * (1.f / 13) + 1.f / 11;
  p = p * square + 1.f / 9;
  p = p * square + 1.f / 7;
  p = p * square + 1.f / 5;
  p = p * square + 1.f / 3;
  p = p * square + 1.f;
  return (x < 0.f ? Vector{} : x) + 2.f * s * p;
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_VECTORS_H_
