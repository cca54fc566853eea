// How the next token is chosen from the logits: as in gluon_deeprnn/generation/sampler.py, in the same order.
#ifndef GLUON_DEEPRNN_CHOOSING_H_
#define GLUON_DEEPRNN_CHOOSING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "vectors.h"
#include "writing.h"

namespace gluon_deeprnn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The falling order of numbers, with NaN behind them: to sort by anything less could leave the array.
inline bool is_before(float a, float b) { return a > b || (b != b && a == a); }

// exp(x) for x of at most 0, also -infinity.
INLINED inline Vector exp_of(Vector x) {
  const PowerOfTwo e = split_exp(x < -87.f ? all(-87.f) : x);
  return x < -87.f ? Vector{} : e.scale * e.rest + e.scale;
}

INLINED inline Integers lanes() {
  Integers numbers;
  for (int lane = 0; lane < kLanes; ++lane) numbers[lane] = lane;
  return numbers;
}

// All lanes together, two and two, in each lane.
template <typename Function>
INLINED inline Vector fold(Vector v, const Function& function) {
  for (int distance = kLanes / 2; distance > 0; distance /= 2)
    v = function(v, __builtin_shuffle(v, (lanes() + distance) & (kLanes - 1)));
  return v;
}

// Rows of `size` floats, a multiple of kLanes: the logits of `vocab_size` tokens, and -infinity behind them.
class Chooser {
 public:
  Chooser(int vocab_size, size_t size, const Choice& choice) : vocab_size_(vocab_size), size_(size), choice_(choice) {}

  // Floats that choose() works in.
  size_t scratch_size() const { return 2 * size_; }

  // The largest of the logits; NaN if one of them is.
  float largest(const float* x) const {
    Vector best = load(x);
    Integers is_nan = best != best;
    for (size_t i = kLanes; i < size_; i += kLanes) {
      const Vector next = load(x + i);
      is_nan |= next != next;
      best = next > best ? next : best;
    }
    best = is_nan ? all(std::numeric_limits<float>::quiet_NaN()) : best;
    return fold(best, [](Vector a, Vector b) INLINED { return (a != a) | (a > b) ? a : b; })[0];
  }

  // The token; `seen`, flags of the tokens so far, is null without a repetition penalty, noise may be null.
  int choose(float* logits, const float* mask, const float* noise, float* seen, float* scratch) const {
    if (seen) penalize(logits, seen);
    for_each(logits, [&](Vector x, int i) INLINED { return x + load(mask + i, vocab_size_ - i); });
    if (choice_.top_k > 0 && choice_.top_k < vocab_size_) keep_from(logits, kth(logits, scratch));
    if (choice_.scale != 1.f) for_each(logits, [&](Vector x, int) INLINED { return x * choice_.scale; });
    if (choice_.log_min_p > -kInfinity) keep_from(logits, largest(logits) + choice_.log_min_p);
    if (choice_.top_p < 1.f) keep_nucleus(logits, scratch);
    if (noise) for_each(logits, [&](Vector x, int i) INLINED { return x + load(noise + i, vocab_size_ - i); });
    const int token = argmax(logits);
    if (seen) seen[token] = 1.f;
    return token;
  }

  // log p of a token.
  float log_prob(const float* logits, int token, float* scratch) const {
    const float top = largest(logits);
    return logits[token] - top - std::log(exponentials(logits, top, scratch));
  }

 private:
  template <typename Function>
  INLINED void for_each(float* x, const Function& function) const {
    for (size_t i = 0; i < size_; i += kLanes) store(x + i, function(load(x + i), int(i)));
  }

  void penalize(float* logits, const float* seen) const {
    for_each(logits, [&](Vector x, int i) INLINED {
      const Vector less = x > 0.f ? x / choice_.penalty : x * choice_.penalty;
      return load(seen + i, vocab_size_ - i) > 0.f ? less : x;
    });
  }

  // Excludes the tokens whose logits are below `least`.
  void keep_from(float* logits, float least) const {
    for_each(logits, [=](Vector x, int) INLINED { return x < least ? all(-kInfinity) : x; });
  }

  float kth(const float* logits, float* scratch) const {
    std::copy(logits, logits + vocab_size_, scratch);
    float* const place = scratch + choice_.top_k - 1;
    std::nth_element(scratch, place, scratch + vocab_size_, is_before);
    return *place;
  }

  // exp(logits - top) into `to`; their sum.
  float exponentials(const float* logits, float top, float* to) const {
    Vector sums = {};
    for (size_t i = 0; i < size_; i += kLanes) {
      const Vector e = exp_of(load(logits + i) - top);
      store(to + i, e);
      sums += e;
    }
    return fold(sums, [](Vector a, Vector b) INLINED { return a + b; })[0];
  }

  // Keeps the smallest set of tokens whose probabilities add up to at least top_p, and those as likely as its last.
  void keep_nucleus(float* logits, float* p) const {
    const float sum = exponentials(logits, largest(logits), p);
    for_each(p, [=](Vector x, int) INLINED { return x / sum; });
    float* const falling = p + size_;  // a heap: only the largest are needed in order
    std::copy(p, p + vocab_size_, falling);
    const auto is_less = [](float a, float b) { return is_before(b, a); };
    std::make_heap(falling, falling + vocab_size_, is_less);
    float smallest = 1, total = 0;
    for (int left = vocab_size_; left > 0; --left) {
      const float next = falling[0];
      total += next;
      if (!(total - next < choice_.top_p)) break;
      smallest = next;
      std::pop_heap(falling, falling + left, is_less);
    }
    for (size_t i = 0; i < size_; i += kLanes)
      store(logits + i, load(p + i) < smallest ? all(-kInfinity) : load(logits + i));
  }

  // The first of the largest.
  int argmax(const float* x) const {
    Integers at = lanes(), place = at;
    Vector best = load(x);
    for (size_t i = kLanes; i < size_; i += kLanes) {
      const Vector next = load(x + i);
      at += kLanes;
      place = next > best ? at : place;
      best = next > best ? next : best;
    }
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      const Integers turned = (lanes() + distance) & (kLanes - 1);
      const Vector other = __builtin_shuffle(best, turned);
      const Integers its_place = __builtin_shuffle(place, turned);
      const Integers is_better = (other > best) | ((other == best) & (its_place < place));
      best = is_better ? other : best;
      place = is_better ? its_place : place;
    }
    return place[0];
  }

  const int vocab_size_;
  const size_t size_;
  const Choice& choice_;
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_CHOOSING_H_
