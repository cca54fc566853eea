// Loops whose iterations threads share.  All parallel regions of the kernels begin here.
//
// Inside a region nothing may allocate memory or throw: an exception that leaves a thread ends the process.
//
// STD_THREADS replaces OpenMP by threads of the standard library, four to a loop.  The thread sanitizer needs it: it
// does not know libgomp's barriers and would report every loop.
#ifndef GLUON_DEEPRNN_PARALLEL_H_
#define GLUON_DEEPRNN_PARALLEL_H_

#include <algorithm>
#include <atomic>
#include <cstddef>

#ifdef STD_THREADS
#include <thread>
#include <vector>
#else
#include <omp.h>
#endif

namespace gluon_deeprnn {
namespace {

#ifdef STD_THREADS
constexpr int kThreads = 4;
inline int max_threads() { return kThreads; }

template <typename Work>
void in_threads(const Work& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
}
#else
inline int max_threads() { return omp_get_max_threads(); }
#endif

// One thread computes fewer products than this in less time than it takes to wake others.
constexpr float kFewProducts = 5e5;
inline bool are_worth_threads(float products) { return products > kFewProducts; }

// The most iterations that share_out runs at the same time.
inline int num_slots(int count) { return std::max(1, std::min(count, max_threads())); }

// work(slot, i) for all i below count, each by the thread that is free next, or all by this one if that is faster.  slot
// is below num_slots(count); iterations that run at the same time have different ones, and so memory of their own.
template <typename Work>
void share_out(int count, bool is_worth_it, const Work& work) {
  if (count < 2 || !is_worth_it) {
    for (int i = 0; i < count; ++i) work(0, i);
    return;
  }
  std::atomic<int> next_slot{0};
#ifdef STD_THREADS
  std::atomic<int> next{0};
  in_threads([&] {
    int slot = -1;
    for (int i = next++; i < count; i = next++) {
      if (slot < 0) slot = next_slot++;
      work(slot, i);
    }
  });
#else
#pragma omp parallel
  {
    int slot = -1;
#pragma omp for schedule(dynamic) nowait
    for (int i = 0; i < count; ++i) {
      if (slot < 0) slot = next_slot.fetch_add(1, std::memory_order_relaxed);
      work(slot, i);
    }
  }
#endif
}

// work(i) for all i below count, the same number of neighbouring ones for each thread.
template <typename Work>
void divide(size_t count, bool is_worth_it, const Work& work) {
  if (!is_worth_it) {
    for (size_t i = 0; i < count; ++i) work(i);
    return;
  }
#ifdef STD_THREADS
  std::atomic<int> next{0};
  in_threads([&] {
    const size_t part = next++;
    for (size_t i = part * count / kThreads; i < (part + 1) * count / kThreads; ++i) work(i);
  });
#else
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < count; ++i) work(i);
#endif
}

// Adds the sums of all parts to the first's, in their order.
inline void add_up(float* sums, size_t size, int num_parts) {
  if (num_parts == 1) return;
  constexpr size_t kBlock = 1024;
  divide((size + kBlock - 1) / kBlock, size > 8 * kBlock, [=](size_t block) {
    const size_t begin = block * kBlock, end = std::min(begin + kBlock, size);
    for (int part = 1; part < num_parts; ++part) {
      const float* from = sums + part * size;
      for (size_t i = begin; i < end; ++i) sums[i] += from[i];
    }
  });
}

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_PARALLEL_H_
