// What the checks share.
#ifndef CHECK_H_
#define CHECK_H_

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

using Floats = std::vector<float>;

inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s must hold\n", what);
  std::exit(1);
}

inline Floats some(size_t size, unsigned seed, float scale = 1) {
  std::mt19937 draw(seed);
  Floats array(size);
  for (float& x : array) x = scale * (int(draw() % 2001) - 1000) / 1000.f;
  return array;
}

void check_writing(const char* cell);  // in check_writing.cc

#endif  // CHECK_H_
