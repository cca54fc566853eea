// What an operator of a library is to MXNet 1.9.1, and to the files that compute.
//
// MXNet loads a library of operators by name (MXLoadLib) and calls its plain C functions, which abi.cc implements.  Its
// wheel ships a C++ wrapper of the same interface (lib_api.h).  We do not use it, so that the kernels compile without
// MXNet, on any Python and in any order of installation, and so that a call builds no maps of strings.
//
// The interface does not tell an operator whether a gradient is to be written or added, nor whether it is wanted at
// all: kernels/__init__.py arranges that gradients are always written.
#ifndef GLUON_DEEPRNN_ABI_H_
#define GLUON_DEEPRNN_ABI_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gluon_deeprnn {

using Shape = std::vector<unsigned>;

// All arrays are of float32, but for those of tokens.
struct Array {
  const int64_t* shape;
  int num_axes;
  float* data;

  const int32_t* tokens() const { return reinterpret_cast<const int32_t*>(data); }
};

// The attributes of one use of an operator.  at() throws std::invalid_argument for a name that is not there.
class Attributes {
 public:
  Attributes(const char* const* names, const char* const* values, int count)
      : names_(names), values_(values), count_(count) {}
  std::string at(const std::string& name) const;

 private:
  const char* const* names_;
  const char* const* values_;
  int count_;
};

// One use of an operator in one graph.  MXNet itself reads the two flags: they have to be the first members.
class Computation {
 public:
  const bool is_silent = true, is_made_by_us = true;
  virtual ~Computation() = default;
  virtual void forward(const Array* inputs, const Array* outputs) = 0;
  // given: the gradients of the outputs, then the inputs, then the outputs; gradients: those of the inputs.
  virtual void backward(const Array* given, const Array* gradients) = 0;
};

// tokens_at: which input has tokens, of int32; -1 where none has.
//
// All functions report errors by throwing a class derived from std::exception; what() reaches Python as an MXNetError.
struct Operator {
  const char* name;
  void (*count)(const Attributes& attributes, int* num_inputs, int* num_outputs);
  int (*tokens_at)(const Attributes& attributes);
  void (*infer_shape)(const Attributes& attributes, std::vector<Shape>* inputs, std::vector<Shape>* outputs);
  std::unique_ptr<Computation> (*create)(const Attributes& attributes);
};

const std::vector<Operator>& operators();  // in operator.cc

}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_ABI_H_
