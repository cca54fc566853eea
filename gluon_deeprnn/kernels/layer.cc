// The arithmetic of a recurrent layer: forward and backward, for one set of vector instructions.
//
// MXNet's operator goes through time once for the whole batch: at every step its threads wait for each other, and the
// gates of a whole batch go to memory and back.  Here a thread takes a tile of a few sequences through all steps: their
// states and the weights stay in its cache, the gates of a step in registers, and nobody waits.  Inputs that are mostly
// zeros, as one-hot vectors are, cost what their other elements cost.
//
// The results do not depend on the number of threads: sequences do not meet on the way forth, and on the way back
// gradients are summed over a fixed number of parts of the batch, in a fixed order.
#include "layer.h"

#include <algorithm>
#include <vector>

#include "backward.h"
#include "forward.h"

namespace gluon_deeprnn {
namespace {

// The batch as tiles of kTile sequences, and smaller ones for what is left: where each begins, and its size.
struct Tile {
  int first, size;
};
std::vector<Tile> tiles_of(int batch_size, int largest) {
  std::vector<Tile> tiles;
  for (int first = 0, size = largest; first < batch_size;) {
    while (size > batch_size - first) size /= 2;
    tiles.push_back({first, size});
    first += size;
  }
  return tiles;
}

template <Cell cell, int kRows>
void forward_tile_of(int size, const Sizes& z, const Packed<cell>& w, const Forward& a, int first) {
  if (size == kRows) return forward_tile<cell, kRows>(z, w, a, first);
  if constexpr (kRows > 1) forward_tile_of<cell, kRows / 2>(size, z, w, a, first);
}
template <Cell cell, int kRows>
void backward_tile_of(int size, const Sizes& z, const BackwardWeights<cell>& w, const Backward& a, int first,
                      Sums<cell>* sums) {
  if (size == kRows) return backward_tile<cell, kRows>(z, w, a, first, sums);
  if constexpr (kRows > 1) backward_tile_of<cell, kRows / 2>(size, z, w, a, first, sums);
}

template <Cell cell>
void forward_layer(const Sizes& z, const Forward& a) {
  const Packed<cell> w(z, a.weights);
  const std::vector<Tile> tiles = tiles_of(z.batch_size, Shape<cell>::kTile);
  const int num_tiles = tiles.size();
#pragma omp parallel for schedule(dynamic) if (num_tiles > 1)
  for (int i = 0; i < num_tiles; ++i)
    forward_tile_of<cell, Shape<cell>::kTile>(tiles[i].size, z, w, a, tiles[i].first);
}

template <Cell cell>
void backward_layer(const Sizes& z, const Backward& a) {
  using S = Shape<cell>;
  const BackwardWeights<cell> w(z, a);
  const std::vector<Tile> tiles = tiles_of(z.batch_size, S::kTile);
  const int num_tiles = tiles.size();
  const size_t width = size_t(w.num_panels) * S::kWidth, size = width * (z.num_inputs + z.num_hiddens);
  const int num_parts = std::min<size_t>(num_tiles, std::clamp<size_t>(kMostSums / size, kFewestParts, kMostParts));
  std::vector<Sums<cell>> parts(num_parts);
#pragma omp parallel for schedule(dynamic) if (num_parts > 1)
  for (int part = 0; part < num_parts; ++part) {
    parts[part].inputs.assign(width * z.num_inputs, 0.f);
    parts[part].recurrent.assign(width * z.num_hiddens, 0.f);
    parts[part].bias.assign(size_t(w.num_panels) * S::kSlopes * kLanes, 0.f);
    for (int i = part * num_tiles / num_parts; i < (part + 1) * num_tiles / num_parts; ++i)
      backward_tile_of<cell, S::kTile>(tiles[i].size, z, w, a, tiles[i].first, &parts[part]);
  }
  gather<cell>(z, w, &parts, a.d_weights);
}

template <Cell cell>
size_t kept_size_of(const Sizes& z) {
  return size_t(z.num_steps) * z.batch_size * Panels<cell>(z).padded * Shape<cell>::kKept;
}

}  // namespace

size_t kept_size(const Sizes& z) {
  return z.cell == GRU ? kept_size_of<GRU>(z) : z.cell == LSTM ? kept_size_of<LSTM>(z) : 0;
}

void forward(const Sizes& z, const Forward& a) {
  switch (z.cell) {
    case GRU: return forward_layer<GRU>(z, a);
    case LSTM: return forward_layer<LSTM>(z, a);
    case RNN_TANH: return forward_layer<RNN_TANH>(z, a);
    case RNN_RELU: return forward_layer<RNN_RELU>(z, a);
  }
}

void backward(const Sizes& z, const Backward& a) {
  switch (z.cell) {
    case GRU: return backward_layer<GRU>(z, a);
    case LSTM: return backward_layer<LSTM>(z, a);
    case RNN_TANH: return backward_layer<RNN_TANH>(z, a);
    case RNN_RELU: return backward_layer<RNN_RELU>(z, a);
  }
}

}  // namespace gluon_deeprnn
