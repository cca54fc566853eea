// A language model that reads and writes tokens without MXNet: plain functions for kernels/writing.py.
//
// MXNet calls an operator after the other, each of which takes microseconds for what is nothing in a small network.
// Here a call reads, or writes, many tokens of some sequences from the first layer to the choice of the token.
//
// All arrays are contiguous.  A state is (S, L, N, H): S is 1, or 2 where a cell has a memory.  A call computes
// the sequences `first` to `first + count` of N, so that several threads can share a batch; it begins no threads.  All
// functions return kDone, or why nothing was computed.
#ifndef GLUON_DEEPRNN_WRITING_H_
#define GLUON_DEEPRNN_WRITING_H_

#include <cstdint>

extern "C" {

namespace gluon_deeprnn {
enum Status : int { kDone = 0, kNoMemory = 1, kBadToken = 2, kBadNetwork = 3 };

struct NetworkWeights {
  int32_t vocab_size, embedding_size, num_layers, num_hiddens;  // V, E (0: one-hot inputs), L, H
  int32_t is_residual, has_skip;  // has_skip: the output layer reads all layers' outputs
  float epsilon;                  // of the layer normalization
  const char* const* cells;       // (L,), names
  const float* const* layers;     // (L,), flat weights in the order of cuDNN
  const float* const* norms;      // (2 (L - 1),): gamma and beta of each layer but the first; null without norms
  const float *embedding;         // (V, E), or null
  const float *output, *bias;     // (V, H), or (V, L H) with skip connections; (V,)
};

// How a token is chosen: what the logits are multiplied by, and the options of gluon_deeprnn.generate.
struct Choice {
  float scale, penalty;           // 1 without
  float top_p, log_min_p;         // 1 and -infinity without
  int32_t top_k;                  // 0 without
};

struct Batch {
  int32_t first, count, batch_size;
};
}  // namespace gluon_deeprnn

// `made` is to be given to gluon_deeprnn_network_delete.  It keeps a copy of the weights.
int gluon_deeprnn_network_new(const gluon_deeprnn::NetworkWeights* weights, void** made);
void gluon_deeprnn_network_delete(void* network);

// The state after tokens (T, N).
int gluon_deeprnn_network_read(const void* network, const gluon_deeprnn::Batch* batch, int num_steps,
                               const int32_t* tokens, const float* state, float* last_state);

// Tokens (T, N), and the largest logit of each step, (T, N), after the token of each sequence, (N,); the state before
// the last token.  noise: (T, N, V), or null; masks: added to the logits, those of sequence i begin at i * mask_stride;
// seen: (N, V), to be updated, or null without a repetition penalty.
int gluon_deeprnn_network_write(const void* network, const gluon_deeprnn::Batch* batch, int num_steps,
                                const gluon_deeprnn::Choice* choice, const int32_t* token, const float* state,
                                const float* noise, const float* masks, int mask_stride, float* seen, int32_t* tokens,
                                float* largest, float* last_state);

// log p of targets (T,) after tokens (T,) of a single sequence.
int gluon_deeprnn_network_score(const void* network, int num_steps, const int32_t* tokens, const int32_t* targets,
                                const float* state, float* log_probs, float* last_state);

// The logits of the next token, (T, V), after each of tokens (T,) of a single sequence.
int gluon_deeprnn_network_logits(const void* network, int num_steps, const int32_t* tokens, const float* state,
                                 float* logits, float* last_state);

}  // extern "C"

#endif  // GLUON_DEEPRNN_WRITING_H_
