"""The history of a training: one row of plain numbers per epoch."""

import math
from typing import Any, Dict, List

from gluon_deeprnn.data import Apart, MixedStreams, Records, Stream, Windows
from gluon_deeprnn.evaluation.references import references

BY_SOURCE = "val_ppl_by_source"
"""The validation perplexity of each text, by its name: only for texts that are read apart."""

NUMBERS = ("epoch", "train_ppl", "val_ppl", "tokens_per_second", "lr", "gradient_norm", "clipped", "seconds")
COMPARED = ("unigram_ppl", "ngram_ppl", "ngram_order")
"""Of simple models on the validation data, the same in every row; earlier versions did not write them."""

UNKNOWN = ("val_tokens", "val_unknown")
"""The number of tokens of the validation data, and of those that are not in the vocabulary, the same in every row;
earlier versions did not write them."""


def compared_with(train: Any, val: Any, vocab_size: int) -> Dict[str, float]:
    """The entries of each row that say with what its ``val_ppl`` can be compared; see `COMPARED` and `UNKNOWN`.

    Parameters
    ----------
    train, val : Windows, Stream, Records or other batch sources
        The training and the validation data.
    vocab_size : int
        The number of tokens of the vocabulary.

    Returns
    -------
    dict
        Without those of a batch source of the user's own, whose text is not known.
    """
    text = getattr(val, "text", None)
    unknown = {} if text is None else dict(zip(UNKNOWN, (text.num_tokens, text.num_unknown)))
    if not all(isinstance(source, (Windows, Stream, Records, Apart, MixedStreams)) for source in (train, val)):
        return unknown
    found = references(train, val, vocab_size)
    return {**dict(zip(COMPARED, (found.unigram, found.ngram, found.order))), **unknown}


def check_history(rows: Any) -> List[Dict[str, Any]]:
    """Validate the rows of a history from an untrusted file and return them.

    Raises
    ------
    ValueError
        If a row is invalid; the message names it.
    """
    if not isinstance(rows, list):
        raise ValueError("a history that is not a list")
    for number, row in enumerate(rows, 1):
        fields = {*NUMBERS, "layer_gradient_norms"}
        if not isinstance(row, dict) or row.keys() - {BY_SOURCE, *UNKNOWN} not in (
                fields, fields | set(COMPARED)) or len(row.keys() & set(UNKNOWN)) == 1:
            raise ValueError(f"row {number} of the history does not have its fields")
        layers = row["layer_gradient_norms"]
        if not isinstance(layers, dict) or not all(isinstance(norms, list) for norms in layers.values()):
            raise ValueError(f"row {number} of the history does not have gradient norms by layer")
        if not isinstance(row.get(BY_SOURCE, {}), dict):
            raise ValueError(f"row {number} of the history does not have perplexities by source")
        values = [value for name, value in row.items() if name not in ("layer_gradient_norms", BY_SOURCE)]
        values += [*row.get(BY_SOURCE, {}).values(), *(norm for norms in layers.values() for norm in norms)]
        if not all(type(value) in (int, float) and math.isfinite(value) and value >= 0 for value in values):
            raise ValueError(f"row {number} of the history has values that are not finite numbers, at least 0")
        if row.get("val_unknown", 0) > row.get("val_tokens", 0):
            raise ValueError(f"row {number} of the history has more unknown tokens than tokens")
        if row["epoch"] != number or not all(row[name] for name in row if name.endswith("_ppl")) \
                or type(row.get("ngram_order", 1)) is not int or not row.get("ngram_order", 1):
            raise ValueError(f"row {number} of the history is not that of epoch {number}")
    return rows
