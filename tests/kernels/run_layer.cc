// One layer, forward and backward, as a program: for processors that the tests' own Python does not run on.
// usage: run_layer CELL T N D H < arrays > arrays
// In: inputs, weights, states, and the gradients of outputs and states.  Out: outputs, states, and the gradients of
// inputs, states and weights.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "layer.h"

using namespace gluon_deeprnn;
using Floats = std::vector<float>;

static Floats read(size_t size) {
  Floats array(size);
  if (std::fread(array.data(), sizeof(float), size, stdin) != size) std::exit(1);
  return array;
}

static void write(const Floats& array) { std::fwrite(array.data(), sizeof(float), array.size(), stdout); }

int main(int, char** arguments) {
  const Cell& cell = *find_cell(arguments[1]);
  const Sizes z = {std::atoi(arguments[2]), std::atoi(arguments[3]), std::atoi(arguments[4]), std::atoi(arguments[5])};
  const size_t of_state = size_t(z.batch_size) * z.num_hiddens, of_outputs = z.num_steps * of_state;
  const bool memory = cell.num_states == 2;
  const Floats inputs = read(size_t(z.num_steps) * z.batch_size * z.num_inputs);
  const Floats weights = read(size_t(cell.num_gates) * z.num_hiddens * (z.num_inputs + z.num_hiddens + 2));
  const Floats h = read(of_state), c = memory ? read(of_state) : Floats();
  const Floats d_outputs = read(of_outputs), d_h_last = read(of_state), d_c_last = memory ? read(of_state) : Floats();
  Floats outputs(of_outputs), h_last(of_state), c_last(c.size());
  Floats d_inputs(inputs.size()), d_weights(weights.size()), d_h(of_state), d_c(c.size());
  const auto layer = cell.create();
  layer->forward(z, {inputs.data(), nullptr, weights.data(), h.data(), c.data(), outputs.data(), h_last.data(),
                      c_last.data()},
                 true);
  layer->backward(z, {inputs.data(), nullptr, weights.data(), h.data(), c.data(), outputs.data(), d_outputs.data(),
                      d_h_last.data(), d_c_last.data(), d_inputs.data(), d_weights.data(), d_h.data(), d_c.data()});
  for (const Floats* array : {&outputs, &h_last, &c_last, &d_inputs, &d_h, &d_c, &d_weights}) write(*array);
}
