#include "weight_dropout.h"

#include <algorithm>
#include <cmath>

#include "parallel.h"

namespace gluon_deeprnn {
namespace {

constexpr size_t kBlock = 8192, kFewBlocks = 4;  // elements; blocks that one thread computes faster than several

// 32 bits that look random, for a counter: multiplications by odd numbers and shifts to the right, each of which can be
// undone, so that different counters have different bits.  The upper half of the seed is added between them: with the
// lower half alone, the masks of two seeds would be the same sequence from different positions on.
inline uint32_t random_bits(uint32_t counter, uint32_t low, uint32_t high) {
  uint32_t x = counter * 0x9E3779B9u + low;
  x = (x ^ (x >> 16)) * 0x7FEB352Du + high;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

}  // namespace

void drop(const Dropped& dropped, uint64_t seed, size_t size, const float* from, float* to) {
  const uint32_t low = uint32_t(seed), high = uint32_t(seed >> 32);
  const uint32_t below = static_cast<uint32_t>(std::ldexp(double(dropped.probability), 32));
  const float scale = 1 / (1 - dropped.probability);
  const size_t num_blocks = (size + kBlock - 1) / kBlock;
  divide(num_blocks, num_blocks > kFewBlocks, [=](size_t block) {
    const size_t first = block * kBlock, last = std::min(first + kBlock, size);
    const size_t begin = std::clamp(dropped.begin, first, last), end = std::clamp(dropped.end, first, last);
    std::copy(from + first, from + begin, to + first);
    const uint32_t counter = uint32_t(begin - dropped.begin);
    const uint32_t count = uint32_t(end - begin);
    for (uint32_t i = 0; i < count; ++i)
      to[begin + i] = random_bits(counter + i, low, high) < below ? 0.f : scale * from[begin + i];
    std::copy(from + end, from + last, to + end);
  });
}

}  // namespace gluon_deeprnn
