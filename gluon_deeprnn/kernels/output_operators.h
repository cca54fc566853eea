// The operators of output_operators.cc and regularisation_operators.cc.
#ifndef GLUON_DEEPRNN_OUTPUT_OPERATORS_H_
#define GLUON_DEEPRNN_OUTPUT_OPERATORS_H_

#include "abi.h"

namespace gluon_deeprnn {

extern const Operator kCrossEntropy, kLogProbs, kWeightDropout, kActivity;

}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_OUTPUT_OPERATORS_H_
