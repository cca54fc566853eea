"""The history of a training: one row of plain numbers per epoch."""

import math
from typing import Any, Dict, List

BY_SOURCE = "val_ppl_by_source"
"""The validation perplexity of each text, by its name: only for texts that are read apart."""

NUMBERS = ("epoch", "train_ppl", "val_ppl", "tokens_per_second", "lr", "gradient_norm", "clipped", "seconds")


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
        if not isinstance(row, dict) or row.keys() - {BY_SOURCE} != {*NUMBERS, "layer_gradient_norms"}:
            raise ValueError(f"row {number} of the history does not have its fields")
        layers = row["layer_gradient_norms"]
        if not isinstance(layers, dict) or not all(isinstance(norms, list) for norms in layers.values()):
            raise ValueError(f"row {number} of the history does not have gradient norms by layer")
        values = [row[name] for name in NUMBERS] + [norm for norms in layers.values() for norm in norms]
        if not isinstance(row.get(BY_SOURCE, {}), dict):
            raise ValueError(f"row {number} of the history does not have perplexities by source")
        values += row.get(BY_SOURCE, {}).values()
        if not all(type(value) in (int, float) and math.isfinite(value) and value >= 0 for value in values):
            raise ValueError(f"row {number} of the history has values that are not finite numbers, at least 0")
        if row["epoch"] != number or row["train_ppl"] == 0 or row["val_ppl"] == 0:
            raise ValueError(f"row {number} of the history is not that of epoch {number}")
    return rows
