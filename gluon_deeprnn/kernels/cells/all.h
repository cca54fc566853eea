// All cells, for what has to be done with each of them.
#ifndef GLUON_DEEPRNN_CELLS_ALL_H_
#define GLUON_DEEPRNN_CELLS_ALL_H_

#include "gru.h"
#include "lstm.h"
#include "rnn.h"

namespace gluon_deeprnn {
namespace {

template <typename... Kinds>
struct CellList {};

// Another cell is a file beside this one and a name here.
using AllCells = CellList<RnnTanh, RnnRelu, RnnSigmoid, RnnSoftsign, RnnSoftrelu, Lstm, Gru>;

}  // namespace
}  // namespace gluon_deeprnn

#endif  // GLUON_DEEPRNN_CELLS_ALL_H_
