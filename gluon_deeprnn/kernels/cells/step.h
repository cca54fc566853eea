// What a cell has to say, and what it sees of a step.
//
// A cell is a struct in a file of its own here, listed in all.h, with
//
//   kName          as the operator's attribute `cell` gives it
//   kGates         gates, each with weights for every unit
//   kApart         of these, the last so many whose products with the inputs and with the state are not added up
//   kStates        1: a hidden state; 2: a memory beside it
//   kKept          vectors that the forward pass keeps for the backward pass, for each step and kLanes units
//   kKeptMemory    which of these is the memory after the step, where there is one
//   kBlocks        blocks of kLanes units whose gates are computed together; 1 where kApart is not 0
//   kTile          sequences that are computed together
//   kColumns       vectors of columns that are computed together when gradients go back through a product
//   forward()      the state after a step; it also updates the memory and keeps what backward() reads
//   backward()     the gradients of the sums, and of the state before the step as far as it does not go through them
//
// kTile, kColumns and kBlocks fill the registers with about as many sums as there are.
//
// The sums are the products plus biases, kGates + kApart vectors: the products with the state of the last kApart gates,
// then the sums of the other gates, then the products with the inputs of the last kApart gates.
#ifndef GLUON_DEEPRNN_CELLS_STEP_H_
#define GLUON_DEEPRNN_CELLS_STEP_H_

#include "../vectors.h"

namespace gluon_deeprnn {
namespace {

// kLanes units of one sequence in a step of the forward pass.
struct ForwardStep {
  const Vector* sums;   // the first kGates
  const Vector* apart;  // the last kApart
  const float* hidden;  // the state before, as far as there are units: load(hidden, count)
  int count;
  float* memory;        // before the step, to be replaced
  float* kept;          // kKept vectors to write, or null
};

// The same of the backward pass.
struct BackwardStep {
  Vector d_hidden;      // gradient of the state after the step
  const float* kept;    // what forward() kept
  const float* output;  // the state after the step, and before it: `count` elements each
  const float* hidden;
  int count;
  const float* memory;  // before the step: memory_count elements
  int memory_count;
  float* d_memory;      // gradient of the memory after the step, to be replaced by that before it
};

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_CELLS_STEP_H_
