"""A text that is read and written in turns: the one loop of generation."""

from typing import Any, Iterator, List, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation.beam import BeamSearch
from gluon_deeprnn.generation.copies import RunLimit
from gluon_deeprnn.generation.options import DecodingOptions, stop_strings
from gluon_deeprnn.generation.stopping import ShownText
from gluon_deeprnn.generation.writer import Writer


class Continuation:
    """A text that a model continues, piece by piece, with the state carried from one to the next.

    ``read(a)``, ``write(n)`` and ``write(m)`` give the text that `gluon_deeprnn.generate` gives for the prefix a and
    n + m tokens (not with a beam, whose search ends with each call).  If the model was trained further in between, the
    next call of `read`, or of `write` that samples, uses its new parameters, in the state in which the text is.

    Parameters
    ----------
    model, vocab, temperature, top_k, top_p, min_p, repetition_penalty, beam, length_penalty
        As for `gluon_deeprnn.generate`.
    no_copy, seed, source, device
        As for `gluon_deeprnn.generate`.

    Attributes
    ----------
    ended : {"", "stop", "record", "no_copy"}
        Why the last text that was written ended: ``""`` after ``length`` tokens, or since the iteration was ended;
        ``"stop"`` before a stop string, ``"record"`` with its record, ``"no_copy"`` since no token was allowed.
    found : str
        The stop string that ended it.

    Examples
    --------
    >>> import mxnet as mx
    >>> from gluon_deeprnn import GRU, RNNLM, Vocab, generate
    >>> from gluon_deeprnn.generation import Continuation
    >>> mx.random.seed(0)
    >>> vocab = Vocab('time machine')
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=len(vocab))
    >>> text = Continuation(model, vocab, seed=1)
    >>> text.read('tim')
    >>> written = [''.join(text.write(length)) for length in (2, 3)]
    >>> ''.join(written) == ''.join(generate(model, vocab, 'tim', 5, seed=1))
    True
    """

    def __init__(self, model: Any, vocab: Any, *, temperature: float = 0.7, top_k: int = 0, top_p: float = 1,
                 min_p: float = 0, repetition_penalty: float = 1, beam: int = 0, length_penalty: float = 0,
                 no_copy: Optional[RunLimit] = None, seed: int = 0, source: Optional[str] = None,
                 device: Optional[Union[str, Context]] = None) -> None:
        options = DecodingOptions(temperature, top_k, top_p, min_p, repetition_penalty, seed, beam, length_penalty)
        self._writer = Writer(model, vocab, options, device, no_copy=no_copy, source=source)
        self.ended = self.found = ""
        self._unread: List[int] = []  # tokens of a beam search that were shown, and not read by the writer yet
        self._uncounted = 0  # tokens of an incomplete character, which an earlier call has counted but not shown
        self._turn = 0

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the class, or of a subclass; an option is an argument and cannot be set later."""
        if type(self) is Continuation and not name.startswith("_") and name not in ("ended", "found"):
            raise InputError(f"text.{name}", "left as it is, since setting it has no effect", value,
                             "begin another Continuation with other options")
        super().__setattr__(name, value)

    @property
    def tokens(self) -> List[int]:
        """The indices of the text so far: the tokens that were read, and those that were written and shown."""
        return [*self._writer.texts[0], *self._unread]

    def begin(self) -> None:
        """Forget the text: for a model of records, begin the next record.  The random numbers go on."""
        self._unread, self._uncounted = [], 0
        self._take_turn()
        self._writer.begin()

    def read(self, text: str, *, skip_unknown: bool = False) -> None:
        """Append a text to what was read and shown so far.

        Parameters
        ----------
        text : str
            Cleaned and tokenized like the texts that the model was trained on: at least one token; for a model of
            records it can be empty.
        skip_unknown : bool, default False
            Skip tokens that are not in the vocabulary, instead of raising an error.

        Raises
        ------
        ValueError
            "prefix must be made of tokens in the vocabulary; got 'é'".
        """
        indices = self._writer.encode(text, skip_unknown=skip_unknown)
        self._take_turn()
        self._uncounted = 0
        self._writer.read(indices)

    def write(self, length: int, stop: Union[str, Sequence[str]] = (), *, last: bool = False) -> Iterator[str]:
        """Continue the text.

        However the iteration ends, the text so far is what was shown, and the next call goes on after it.  A token of
        which a stop string has cut off a part belongs to what was not shown.  The next call of `read`, `write` or
        `begin` ends the iteration.

        Parameters
        ----------
        length : int
            Number of tokens to generate.
        stop : str or sequence of str, optional
            The text ends before the first of these strings; they are searched for in the text of this call.
        last : bool, default False
            Whether the text ends here.  Otherwise an incomplete character at its end (bytes) is held back until the
            next call completes it.

        Yields
        ------
        str
            The text to append for each new token, as soon as it is known.
        """
        length, stop = _checks.integer("length", length, at_least=0), stop_strings(stop, self._writer.vocab)
        last = _checks.flag("last", last)
        if not self.tokens:
            raise InputError("prefix", "read before the text can be continued", "")
        self._take_turn()
        return self._written(length, stop, last, self._turn)

    def _take_turn(self) -> None:
        """End the iteration of an earlier call; what it has shown is the text."""
        self._turn += 1
        self.ended = self.found = ""
        if self._unread:
            self._writer.read(self._unread)
            self._unread = []

    def _written(self, length: int, stop: Tuple[str, ...], last: bool, turn: int) -> Iterator[str]:
        if turn != self._turn:
            return
        writer, shown = self._writer, ShownText(self._writer.vocab, stop)
        length, self._uncounted = length + self._uncounted, 0
        if writer.options.beam:
            tokens = BeamSearch(writer, length, stop).tokens()
        else:
            tokens = (row[0] for row in writer.tokens(length))
        given: List[int] = []
        for token in tokens:
            piece = shown.add(token)
            if shown.num_shown == shown.num_tokens and not writer.options.beam:  # it is shown at once, as most are
                writer.keep(len(given) + 1)
                given.clear()
            else:
                given.append(token)
                self._keep(given, shown)
            if piece:
                yield piece
            if shown.ended or turn != self._turn:
                return
        rest = shown.finish(last=last)
        self._keep(given, shown)
        self._uncounted = len(given)
        if rest:
            yield rest

    def _keep(self, given: List[int], shown: ShownText) -> None:
        """Add the tokens that are shown now to the text, and remove them from those that were given."""
        num = shown.num_shown - (shown.num_tokens - len(given))
        if self._writer.options.beam:
            self._unread += given[:num]
        else:
            self._writer.keep(num)
        del given[:num]
        self.ended, self.found = shown.ended, shown.found
