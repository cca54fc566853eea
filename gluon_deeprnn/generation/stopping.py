"""End a text before the first of some strings."""

from typing import Iterable, Iterator, Sequence


def before(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    r"""The pieces of a text up to the first stop string, without it, each as soon as it is known not to belong to one.

    Examples
    --------
    >>> from gluon_deeprnn.generation.stopping import before
    >>> list(before(['on', 'ce', '\n', '\n', 'more'], ['\n\n']))
    ['on', 'ce']
    """
    held = ""
    for piece in pieces:
        held += piece
        found = [held.index(string) for string in stop if string in held]
        if found:
            held = held[:min(found)]
            break
        kept = max((length for string in stop for length in range(1, len(string)) if held.endswith(string[:length])),
                   default=0)
        if len(held) > kept:
            yield held[:len(held) - kept]
            held = held[len(held) - kept:]
    if held:
        yield held
