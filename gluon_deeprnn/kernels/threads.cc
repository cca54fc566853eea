// What `gluon-deeprnn info` says about the threads of the operators.
#include "parallel.h"

// Below how many multiplications a call of an operator is computed by a single thread.
extern "C" __attribute__((visibility("default"))) int gluon_deeprnn_few_products() {
  return int(gluon_deeprnn::kFewProducts);
}
