"""The samples that a finished training shows: ``sample.txt``."""

import logging
from typing import Any, Optional

from gluon_deeprnn.data import TextData
from gluon_deeprnn.data.records import RECORDS
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation import generate, generate_many
from gluon_deeprnn.runs.config import RunConfig

_GREEDY_LENGTH, _NUM_RECORDS = 20, 5
_log = logging.getLogger(__name__)


def sample(model: Any, data: TextData, config: RunConfig) -> str:
    """Two continuations of the run's prefix, by greedy decoding and with temperature 0.7; for records, several.

    With tokens of sources, two like each source.
    """
    if config.records != "none":
        records = generate_many(model, data.vocab, "", config.sample_length, _NUM_RECORDS, seed=config.seed)
        return "sampled at temperature 0.7:\n" + RECORDS[config.records].separator.join(records) + "\n"
    prefix = config.prefix
    try:
        data.vocab.encode_prefix(prefix)
    except InputError:  # a text in a different script: use its beginning as the prefix
        prefix = data.opening()
        _log.info("the samples begin with %r, since %r has tokens that are not in the vocabulary", prefix,
                  config.prefix)
    if not config.source_token:
        return _two(model, data, config, prefix, None)
    return "\n".join(f"{source.name}, {_two(model, data, config, prefix, source.name)}" for source in data.sources)


def _two(model: Any, data: TextData, config: RunConfig, prefix: str, source: Optional[str]) -> str:
    greedy = "".join(generate(model, data.vocab, prefix, _GREEDY_LENGTH, temperature=0, source=source))
    sampled = "".join(generate(model, data.vocab, prefix, config.sample_length, temperature=0.7, seed=config.seed,
                               source=source))
    return f"greedy decoding: {prefix}{greedy}\n\nsampled at temperature 0.7: {prefix}{sampled}\n"
