"""The text of tokens, as it can be shown: complete characters, up to the first stop string or the end of a record."""

import copy
from typing import Dict, Iterator, Sequence, Tuple
import weakref

from gluon_deeprnn.data import Vocab

NO_TOKEN = -1
"""In place of a token: none is allowed."""

_whole: "weakref.WeakKeyDictionary[Vocab, Dict[int, str]]" = weakref.WeakKeyDictionary()
"""The texts of tokens that are complete by themselves, by their index, as far as they were asked for."""


class ShownText:
    r"""The text of a sequence of tokens that may be shown, which ends before the first stop string.

    Text that may be the beginning of a stop string is held back until the next tokens decide, and so is the first part
    of a character of several tokens.  A token is shown when its whole text is.

    Parameters
    ----------
    vocab : Vocab
    stop : sequence of str
        The stop strings.

    Attributes
    ----------
    ended : {"", "stop", "record", "no_copy"}
        Why the text has ended: before a stop string, with the record, since no token was allowed; or that it has not.
    found : str
        The stop string that was found.
    num_tokens, num_shown : int
        The number of tokens, and of those that are shown.

    Examples
    --------
    >>> from gluon_deeprnn import Vocab
    >>> from gluon_deeprnn.generation.stopping import ShownText
    >>> vocab = Vocab('once\n')
    >>> text = ShownText(vocab, ['\n\n'])
    >>> [text.add(vocab[token]) for token in 'on\nce\n\n']
    ['o', 'n', '', '\nc', 'e', '', '']
    >>> text.ended, text.num_tokens, text.num_shown
    ('stop', 7, 5)
    """

    def __init__(self, vocab: Vocab, stop: Sequence[str]) -> None:
        self._vocab, self._end, self._stop = vocab, vocab.end_index, stop
        self._held = ""
        self._ends: Tuple[int, ...] = ()  # where in the held text each token ends that is complete but not shown
        self._incomplete: Tuple[int, ...] = ()  # the tokens of an incomplete character
        self._known: Dict[Tuple[int, ...], Tuple[str, Tuple[int, ...]]] = {}  # what such tokens and the next one add
        self._whole = _whole.setdefault(vocab, {})
        self.num_tokens = self.num_shown = 0
        self.ended = self.found = ""

    def copy(self) -> "ShownText":
        """An independent copy."""
        return copy.copy(self)  # attributes are replaced, not changed; what is known is the same for all copies

    def add(self, token: int) -> str:
        """Add a token; return the text that can be shown now."""
        self.num_tokens += 1
        if not self._incomplete and not self._stop and token in self._whole:
            self.num_shown += 1
            return self._whole[token]
        if token == NO_TOKEN or token == self._end:
            self.ended = "no_copy" if token == NO_TOKEN else "record"
            return self._show(len(self._held))
        tokens = (*self._incomplete, token)
        if tokens not in self._known:
            pieces, rest = _pieces(self._vocab, tokens)
            self._known[tokens] = pieces, _incomplete(self._vocab, tokens) if rest else ()
        text, self._incomplete = self._known[tokens]
        if len(tokens) == 1 and not self._incomplete:
            self._whole[token] = text
        return self._append(text, len(tokens) - len(self._incomplete))

    def extend(self, tokens: Sequence[int]) -> str:
        """Add tokens until the text has ended; return the text that can be shown now."""
        if not self._incomplete and not self._stop and not self.ended:
            pieces = list(map(self._whole.get, tokens))
            if None not in pieces:
                self.num_tokens, self.num_shown = self.num_tokens + len(pieces), self.num_shown + len(pieces)
                return "".join(filter(None, pieces))
        shown = []
        for token in tokens:
            if self.ended:
                break
            shown.append(self.add(token))
        return "".join(shown)

    def finish(self, *, last: bool) -> str:
        """Return the text that was held back, since no tokens follow for now; ``last``: and never will."""
        if self.ended:
            return ""
        shown = ""
        if last and self._incomplete:
            _, rest = _pieces(self._vocab, self._incomplete)
            complete, self._incomplete = len(self._incomplete), ()
            shown = self._append(rest, complete)
        return shown if self.ended else shown + self._show(len(self._held))

    def _append(self, text: str, num_tokens: int) -> str:
        """Append the text of some tokens; return what can be shown."""
        if not self._stop:
            self.num_shown += num_tokens
            return text
        self._held += text
        self._ends = (*self._ends, *[len(self._held)] * num_tokens)
        places = {string: self._held.index(string) for string in self._stop if string in self._held}
        if places:
            self.ended, self.found = "stop", min(places, key=lambda string: places[string])
            return self._show(places[self.found])
        kept = max((length for string in self._stop for length in range(1, len(string))
                    if self._held.endswith(string[:length])), default=0)
        return self._show(len(self._held) - kept)

    def _show(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        left = tuple(end - length for end in self._ends if end > length)
        self.num_shown += len(self._ends) - len(left)
        self._ends = left
        return shown


def _pieces(vocab: Vocab, tokens: Sequence[int]) -> Tuple[str, str]:
    """The text of tokens that no later token can change, and what is added if none follows."""
    read = False

    def each() -> Iterator[int]:
        nonlocal read
        yield from tokens
        read = True

    before, after = "", ""
    for piece in vocab.text(each()):
        if read:
            after += piece
        else:
            before += piece
    return before, after


def _incomplete(vocab: Vocab, tokens: Tuple[int, ...]) -> Tuple[int, ...]:
    """The tokens at the end that are an incomplete character: the most that have no text until another follows."""
    ends = (tokens[start:] for start in range(len(tokens)))
    return next((end for end in ends if not _pieces(vocab, end)[0]), tokens[-1:])
