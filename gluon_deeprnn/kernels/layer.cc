// The arithmetic of a recurrent layer: forward and backward, for one set of vector instructions.
//
// MXNet's operator goes through time once for the whole batch: at every step its threads wait for each other, and the
// gates of a whole batch go to memory and come back.  Here a thread takes a tile of a few sequences through all steps:
// their states and the weights stay in its cache, the gates of a step in registers, and no thread waits.  Inputs that
// are mostly zeros, as one-hot vectors are, cost what their other elements cost.
//
// The results do not depend on the number of threads: in the forward pass no sequence depends on another, and in the
// backward pass gradients are summed over a fixed number of parts of the batch, in a fixed order.
#include "layer.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

#include "backward.h"
#include "cells/all.h"
#include "forward.h"
#include "parallel.h"

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

template <typename Cell>
bool is_worth_threads(const Sizes& z) {
  return are_worth_threads(float(z.num_steps) * z.batch_size * Cell::kGates * z.num_hiddens * z.num_hiddens);
}

template <typename Cell, int kRows, typename... Arguments>
void forward_tile_of(int size, const Arguments&... arguments) {
  if (size == kRows) return forward_tile<Cell, kRows>(arguments...);
  if constexpr (kRows > 1) forward_tile_of<Cell, kRows / 2>(size, arguments...);
}
template <typename Cell, int kRows, typename... Arguments>
void backward_tile_of(int size, const Arguments&... arguments) {
  if (size == kRows) return backward_tile<Cell, kRows>(arguments...);
  if constexpr (kRows > 1) backward_tile_of<Cell, kRows / 2>(size, arguments...);
}

template <typename Cell>
class LayerOf : public Layer {
 public:
  using S = Shape<Cell>;

  void forward(const Sizes& z, const Forward& a, bool trains) override {
    const Panels<Cell> panels(z);
    const std::vector<Tile> tiles = tiles_of(z.batch_size, S::kTile);
    const int num_tiles = tiles.size(), slots = num_slots(num_tiles);
    kept_sizes_ = {};
    float* kept = nullptr;
    if (trains) kept = kept_.reserve(size_t(z.num_steps) * z.batch_size * panels.padded * S::kKept + 1);
    const size_t own_size = aligned_size(forward_scratch<Cell>(panels));
    AlignedFloats scratch(own_size * slots);
    float* own = scratch.data();
    trains ? packed_.pack(z, a.weights) : packed_.update(z, a.weights);
    share_out(num_tiles, is_worth_threads<Cell>(z), [&](int slot, int i) {
      forward_tile_of<Cell, S::kTile>(tiles[i].size, z, packed_, a, kept, tiles[i].first, own + slot * own_size);
    });
    if (!trains) return;
    kept_sizes_ = z;
    packed_.release();  // training changes the weights before the next call
  }

  void backward(const Sizes& z, const Backward& a) override {
    if (!(kept_sizes_ == z))
      throw std::invalid_argument("the backward pass must follow a forward pass of the same sizes; got none");
    const BackwardWeights<Cell> w(z, a.weights, a.d_inputs);
    const std::vector<Tile> tiles = tiles_of(z.batch_size, S::kTile);
    const int num_tiles = tiles.size(), parts = num_parts<Cell>(z, w, num_tiles), slots = num_slots(parts);
    const size_t own_size = BackwardScratch<Cell>::size(z, w), sums_size = Sums<Cell>::size(z, w);
    AlignedFloats memory(sums_size * parts + own_size * slots);
    float *sums = memory.data(), *own = sums + sums_size * parts;
    share_out(parts, is_worth_threads<Cell>(z), [&](int slot, int part) {
      const BackwardScratch<Cell> scratch(z, w, own + slot * own_size);
      const Sums<Cell> of_part(z, w, sums + part * sums_size);
      std::memset(sums + part * sums_size, 0, sums_size * sizeof(float));
      for (int i = part * num_tiles / parts; i < (part + 1) * num_tiles / parts; ++i)
        backward_tile_of<Cell, S::kTile>(tiles[i].size, z, w, a, kept_.data(), tiles[i].first, scratch, of_part);
    });
    add_up(sums, sums_size, parts);
    unpack<Cell>(z, w, Sums<Cell>(z, w, sums), a.d_weights);
  }

  size_t num_packings() const override { return packed_.num_packings(); }

 private:
  Packed<Cell> packed_;
  AlignedFloats kept_;
  Sizes kept_sizes_ = {};
};

template <typename Kind>
constexpr Cell cell() {
  return {Kind::kName, Kind::kGates, Kind::kStates,
          []() -> std::unique_ptr<Layer> { return std::make_unique<LayerOf<Kind>>(); }};
}

template <typename... Kinds>
constexpr std::array<Cell, sizeof...(Kinds)> table(CellList<Kinds...>) {
  return {cell<Kinds>()...};
}
constexpr auto kCells = table(AllCells());

}  // namespace

const Cell* find_cell(const std::string& name) {
  const auto found = std::find_if(std::begin(kCells), std::end(kCells), [&](const Cell& c) { return name == c.name; });
  return found == std::end(kCells) ? nullptr : found;
}

std::string cell_names() {
  std::string names;
  const size_t count = std::size(kCells);
  for (size_t i = 0; i < count; ++i)
    names += std::string(i == 0 ? "" : i + 1 < count ? ", " : " or ") + kCells[i].name;
  return names;
}

}  // namespace gluon_deeprnn
