#include "abi.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "aligned.h"

namespace gluon_deeprnn {

std::string Attributes::at(const std::string& name) const {
  for (int i = 0; i < count_; ++i)
    if (name == names_[i]) return values_[i];
  throw std::invalid_argument("attribute " + name + " must be given");
}

namespace {

constexpr int kInterfaceVersion = 11, kSuccess = 1, kFailure = 0, kFloat32 = 0, kInt32 = 4;

// The last failure, until MXNet has read it.  It is no std::string: to report that memory is short must take none.
thread_local char message[1024];

// No exception may reach MXNet: its engine would end the process.
template <typename Function>
int guarded(const char* name, Function function) {
  try {
    function();
    return kSuccess;
  } catch (const OutOfMemory& error) {
    std::snprintf(message, sizeof message, "%s: %s", name, error.what());
  } catch (const std::bad_alloc&) {
    std::snprintf(message, sizeof message, "%s: memory must be available; got none", name);
  } catch (const std::exception& error) {
    std::snprintf(message, sizeof message, "%s: %s", name, error.what());
  }
  return kFailure;
}

template <typename T>
T* allocated(size_t count) {
  T* memory = static_cast<T*>(std::malloc(count * sizeof(T) + 1));
  if (!memory) throw std::bad_alloc();
  return memory;
}

// Shapes as MXNet takes them over; it gives each array back to _opCallFree.
void hand_over(const std::vector<Shape>& shapes, unsigned*** arrays, int** num_axes) {
  *num_axes = allocated<int>(shapes.size());
  *arrays = allocated<unsigned*>(shapes.size());
  for (size_t i = 0; i < shapes.size(); ++i) {
    (*num_axes)[i] = static_cast<int>(shapes[i].size());
    (*arrays)[i] = allocated<unsigned>(shapes[i].size());
    std::memcpy((*arrays)[i], shapes[i].data(), shapes[i].size() * sizeof(unsigned));
  }
}

std::vector<Array> arrays_of(const int64_t** shapes, const int* num_axes, void** data, int count) {
  std::vector<Array> arrays(count);
  for (int i = 0; i < count; ++i) arrays[i] = {shapes[i], num_axes[i], static_cast<float*>(data[i])};
  return arrays;
}

}  // namespace
}  // namespace gluon_deeprnn

#define EXPORTED __attribute__((visibility("default")))

using gluon_deeprnn::Attributes;
using gluon_deeprnn::Computation;
using gluon_deeprnn::Operator;

// Where MXNet keeps pointers to functions of a library and hands them back, it keeps pointers to our operators.
extern "C" {

EXPORTED int _opVersion() { return gluon_deeprnn::kInterfaceVersion; }
EXPORTED int initialize(int version) { return version / 100 == 109; }  // 10901 is MXNet 1.9.1
EXPORTED int _msgSize() { return gluon_deeprnn::message[0] != 0; }
EXPORTED void _msgGet(int, const char** text) {
  static thread_local char last[sizeof gluon_deeprnn::message];
  std::memcpy(last, gluon_deeprnn::message, sizeof last);
  gluon_deeprnn::message[0] = 0;
  *text = last;
}

EXPORTED int _opRegSize() { return static_cast<int>(gluon_deeprnn::operators().size()); }
EXPORTED void _opRegGet(int index, const char** name, int* is_subgraph, const char***, void**, int* num_forward,
                        const char***, void**, int* num_backward, const char*** contexts, const void*** create,
                        int* num_create, const void** parse, const void** type, const void** storage,
                        const void** shape, const void** mutate) {
  static const char* cpu[] = {"cpu"};
  static std::vector<const void*> all;
  const std::vector<Operator>& operators = gluon_deeprnn::operators();
  if (all.empty())
    for (const Operator& op : operators) all.push_back(&op);
  *name = operators[index].name;
  *is_subgraph = *num_forward = *num_backward = 0;
  *contexts = cpu;
  *create = &all[index];
  *num_create = 1;
  *parse = *type = *shape = all[index];
  *storage = *mutate = nullptr;
}

EXPORTED int _opCallParseAttrs(const Operator* op, const char* const* names, const char* const* values, int count,
                               int* num_inputs, int* num_outputs) {
  return gluon_deeprnn::guarded(op->name,
                                [&] { op->count(Attributes(names, values, count), num_inputs, num_outputs); });
}

EXPORTED int _opCallInferType(const Operator* op, const char* const* names, const char* const* values, int count,
                              int* inputs, int num_inputs, int* outputs, int num_outputs) {
  return gluon_deeprnn::guarded(op->name, [&] {
    std::fill(inputs, inputs + num_inputs, gluon_deeprnn::kFloat32);
    std::fill(outputs, outputs + num_outputs, gluon_deeprnn::kFloat32);
    const int tokens = op->tokens_at(Attributes(names, values, count));
    if (tokens >= 0) inputs[tokens] = gluon_deeprnn::kInt32;
  });
}

EXPORTED int _opCallInferShape(const Operator* op, const char* const* names, const char* const* values, int count,
                               unsigned** shapes, const int* num_axes, int num_inputs, unsigned*** new_shapes,
                               int** new_num_axes, unsigned*** out_shapes, int** out_num_axes, int num_outputs) {
  return gluon_deeprnn::guarded(op->name, [&] {
    std::vector<gluon_deeprnn::Shape> inputs(num_inputs), outputs(num_outputs);
    for (int i = 0; i < num_inputs; ++i) inputs[i].assign(shapes[i], shapes[i] + num_axes[i]);
    op->infer_shape(Attributes(names, values, count), &inputs, &outputs);
    gluon_deeprnn::hand_over(inputs, new_shapes, new_num_axes);
    gluon_deeprnn::hand_over(outputs, out_shapes, out_num_axes);
  });
}
EXPORTED void _opCallFree(void* memory) { std::free(memory); }

EXPORTED int _opCallCreateOpState(const Operator* op, const char* const* names, const char* const* values, int count,
                                  const char*, int, unsigned**, int*, int, const int*, void** state) {
  return gluon_deeprnn::guarded(op->name, [&] { *state = op->create(Attributes(names, values, count)).release(); });
}
EXPORTED void _opCallDestroyOpState(void* state) { delete static_cast<Computation*>(state); }

EXPORTED int _opCallFStatefulCompute(int is_forward, void* state, const int64_t** in_shapes, int* in_num_axes,
                                     void** in_data, int*, size_t*, const char**, int*, int num_inputs,
                                     const int64_t** out_shapes, int* out_num_axes, void** out_data, int*, size_t*,
                                     const char**, int*, int num_outputs, void*, void*, void*, void*, void*, void*,
                                     void*, int*, int*, void**, void**, void**, void**, int64_t*, int64_t*, int64_t*,
                                     int64_t*, void*, void*) {
  return gluon_deeprnn::guarded(is_forward ? "forward" : "backward", [&] {
    const auto inputs = gluon_deeprnn::arrays_of(in_shapes, in_num_axes, in_data, num_inputs);
    const auto outputs = gluon_deeprnn::arrays_of(out_shapes, out_num_axes, out_data, num_outputs);
    Computation* computation = static_cast<Computation*>(state);
    is_forward ? computation->forward(inputs.data(), outputs.data())
               : computation->backward(inputs.data(), outputs.data());
  });
}

// What MXNet looks up and we do not offer: it asks how many there are, and calls nothing else.
EXPORTED int _partRegSize() { return 0; }
EXPORTED int _passRegSize() { return 0; }
#define NOT_OFFERED(name) \
  EXPORTED void name() { std::abort(); }
NOT_OFFERED(_opCallInferSType)
NOT_OFFERED(_opCallFCompute)
NOT_OFFERED(_opCallMutateInputs)
NOT_OFFERED(_partRegGetCount)
NOT_OFFERED(_partRegGet)
NOT_OFFERED(_partCallSupportedOps)
NOT_OFFERED(_partCallCreateSelector)
NOT_OFFERED(_partCallSelect)
NOT_OFFERED(_partCallSelectInput)
NOT_OFFERED(_partCallSelectOutput)
NOT_OFFERED(_partCallFilter)
NOT_OFFERED(_partCallReset)
NOT_OFFERED(_partCallReviewSubgraph)
NOT_OFFERED(_passRegGet)
NOT_OFFERED(_passCallGraphPass)

}  // extern "C"
