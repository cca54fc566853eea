// Memory for floats that begins at a cache line, and the error for memory that cannot be had.
#ifndef GLUON_DEEPRNN_ALIGNED_H_
#define GLUON_DEEPRNN_ALIGNED_H_

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>

namespace gluon_deeprnn {

// Its text is kept in the object itself: where memory is short, an error must not need any.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(size_t bytes) {
    std::snprintf(text_, sizeof text_, "memory must be available for %zu more bytes; got none", bytes);
  }
  const char* what() const noexcept override { return text_; }

 private:
  char text_[96];
};

class AlignedFloats {
 public:
  static constexpr size_t kAlignment = 64, kFloats = kAlignment / sizeof(float);

  AlignedFloats() = default;
  explicit AlignedFloats(size_t count) { reserve(count); }
  AlignedFloats(AlignedFloats&& other) noexcept { std::swap(data_, other.data_), std::swap(size_, other.size_); }
  AlignedFloats& operator=(AlignedFloats&& other) noexcept {
    std::swap(data_, other.data_), std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedFloats() { std::free(data_); }

  float* data() const { return data_; }

  // Room for `count` floats, of any value; what was in it is lost where it has to grow.
  float* reserve(size_t count) {
    if (count <= size_) return data_;
    std::free(data_);
    data_ = nullptr, size_ = 0;
    const size_t rounded = (count + kFloats - 1) / kFloats * kFloats;
    if (count > std::numeric_limits<ptrdiff_t>::max() / sizeof(float) - kFloats) throw OutOfMemory(count);
    data_ = static_cast<float*>(std::aligned_alloc(kAlignment, rounded * sizeof(float)));
    if (!data_) throw OutOfMemory(rounded * sizeof(float));
    size_ = rounded;
    return data_;
  }

 private:
  float* data_ = nullptr;
  size_t size_ = 0;
};

// Parts of one block of memory, each at a cache line.
inline size_t aligned_size(size_t count) {
  return (count + AlignedFloats::kFloats - 1) / AlignedFloats::kFloats * AlignedFloats::kFloats;
}

}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_ALIGNED_H_
