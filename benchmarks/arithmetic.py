"""How many floating-point operations a task needs at least, a multiplication and an addition being two."""

PEAK_SIZE = 1536
PEAK_FLOP = 2 * PEAK_SIZE**3  # of the product that measures the processor

NUM_GATES = {"gru": 3, "lstm": 4, "rnn": 1, "scratch": 1}
PASSES = 3  # a product forward, and two backward: for the gradients of its inputs and of its weights


def of_layers(cell: str, num_hiddens: int, num_layers: int, tokens: int, *, train: bool) -> int:
    """Layers whose inputs are as wide as they are; ``tokens`` are all steps of all sequences."""
    products = NUM_GATES[cell] * num_layers * 2 * num_hiddens**2
    return 2 * tokens * products * (PASSES if train else 1)


def of_epoch(cell: str, vocab_size: int, *, train_tokens: int, val_tokens: int, num_hiddens: int = 32) -> int:
    """The chapter's two layers and the output layer; the products with one-hot vectors are additions, and left out."""
    products = NUM_GATES[cell] * 3 * num_hiddens**2 + num_hiddens * vocab_size
    return 2 * products * (PASSES * train_tokens + val_tokens)
