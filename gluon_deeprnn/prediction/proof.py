"""A number that nobody can fake: a text is coded under a model, and decoded again."""

import dataclasses
import lzma
import math
from typing import Any, Callable, List, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.data.evaluated_text import spelled_nats
from gluon_deeprnn.data.spelling import END, ESCAPE, NUM_CODE_POINTS, Spelling
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.prediction.predictor import Predictor
import numpy

_ORDERS = (4, 5, 6, 8, 12, 16)
_MEMORY = 256 << 20


@dataclasses.dataclass(frozen=True)
class Proof:
    """A text as a code.

    Attributes
    ----------
    code : bytes
        The code: the number of tokens, then the tokens, each unknown one followed by its spelling.
    text : str
        The text that was decoded from the code and a new predictor; it is the text that was coded.
    log_probs : numpy.ndarray
        The log-probability of each token, in nats, (n,), as of `gluon_deeprnn.prediction.log_probs_of`.
    spelled : numpy.ndarray
        The code length of the spelling of each token, in nats, (n,); 0 for a token of the vocabulary.
    """

    code: bytes
    text: str
    log_probs: numpy.ndarray
    spelled: numpy.ndarray

    @property
    def claimed_bytes(self) -> float:
        """The code length of the text according to the model and the spelling, in bytes."""
        return float(self.spelled.sum() - self.log_probs.sum()) / math.log(2) / 8


def prove(new_predictor: Callable[[], Predictor], vocab: Vocab, tokens: Sequence[str], *,
          on_token: Optional[Callable[[], None]] = None) -> Proof:
    """Code a text under a predictor, and decode it with another one that is only given what was decoded.

    The range coder is that of the package ``constriction``; it rounds probabilities to multiples of 2**-24.

    Parameters
    ----------
    new_predictor : callable
        Returns a predictor, each time in the same state.
    vocab : Vocab
        Its vocabulary.
    tokens : sequence of str
        The tokens of the text, (n,), also those that are not in the vocabulary.
    on_token : callable, optional
        Called after each token that was coded or decoded, to show progress.

    Raises
    ------
    ValueError
        If the text that was decoded is another one: the predictor's numbers are not reproducible; without the package
        constriction.

    Source
    ------
    Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979; Bamler,
    "Understanding Entropy Coding With Asymmetric Numeral Systems (ANS): a Statistician's Perspective", 2022
    (constriction).

    Examples
    --------
    >>> from gluon_deeprnn import Vocab
    >>> from gluon_deeprnn.prediction import Mixture, NGrams
    >>> from gluon_deeprnn.prediction.proof import prove
    >>> proof = prove(lambda: Mixture([], NGrams([], letters=[0, 1, 2, 3])), Vocab('abc'), list('abc' * 60 + 'd'))
    >>> len(proof.code), round(proof.claimed_bytes, 1), proof.text[-4:]
    (10, 9.4, 'abcd')
    """
    coding = _constriction()
    tokens = _checks.sequence("tokens", tokens, str, "a sequence of strings")
    spelled = spelled_nats(vocab, tokens)
    indices = numpy.where(spelled > 0, vocab.unknown_index, vocab.encode(tokens)).tolist()
    encoder, predictor = _Encoder(coding), new_predictor()
    if predictor.vocab_size != len(vocab):
        raise InputError("vocab", f"of the {predictor.vocab_size} tokens of the predictor",
                         Described(f"{len(vocab)} tokens"))
    found, speller = numpy.empty(len(tokens)), _Speller(vocab.spelling)
    for i, (index, token) in enumerate(zip(indices, tokens)):
        log_probs = predictor.log_probs()
        found[i] = log_probs[index]
        encoder.encode(index, numpy.exp(log_probs))
        if index == vocab.unknown_index:
            speller.encode(encoder, token)
        predictor.observe(index)
        if on_token is not None:
            on_token()
    code = _number(len(tokens)) + encoder.finish()
    decoded = _decode(coding, code, new_predictor(), vocab, on_token)
    if decoded != list(tokens):
        raise InputError("predictions", "reproducible, so that the code can be decoded",
                         Described(f"another text, of {len(decoded)} tokens"))
    return Proof(code, vocab.tokenizer.unsplit(decoded), found, spelled)


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        raise InputError("constriction", "installed to code a text", Described("no such package"),
                         "pip install constriction") from None
    return constriction


def _decode(coding: Any, code: bytes, predictor: Predictor, vocab: Vocab,
            on_token: Optional[Callable[[], None]]) -> List[str]:
    """The tokens of a code."""
    num_tokens, place = _read_number(code)
    decoder, speller, tokens = _Decoder(coding, code[place:]), _Speller(vocab.spelling), []
    for _ in range(num_tokens):
        index = decoder.decode(numpy.exp(predictor.log_probs()))
        tokens.append(speller.decode(decoder) if index == vocab.unknown_index else vocab.to_tokens(index))
        predictor.observe(index)
        if on_token is not None:
            on_token()
    return tokens


class _Encoder:
    """Encodes symbols under given probabilities."""

    def __init__(self, coding: Any) -> None:
        self._models, self._coder = coding.stream.model, coding.stream.queue.RangeEncoder()

    def encode(self, symbol: int, probabilities: numpy.ndarray) -> None:
        """Append a symbol, an index of ``probabilities``, (V,)."""
        if len(probabilities) > 1:
            self._coder.encode(symbol, self._models.Categorical(probabilities, perfect=False))

    def encode_uniform(self, symbol: int, size: int) -> None:
        """Append one of ``size`` symbols of the same probability."""
        self._coder.encode(symbol, self._models.Uniform(size))

    def finish(self) -> bytes:
        """The code."""
        return self._coder.get_compressed().astype("<u4").tobytes()


class _Decoder:
    """Decodes what `_Encoder` has encoded, under the same probabilities."""

    def __init__(self, coding: Any, code: bytes) -> None:
        self._models = coding.stream.model
        self._coder = coding.stream.queue.RangeDecoder(numpy.frombuffer(code, "<u4").astype("uint32"))

    def decode(self, probabilities: numpy.ndarray) -> int:
        """The next symbol, an index of ``probabilities``, (V,)."""
        if len(probabilities) == 1:
            return 0
        return int(self._coder.decode(self._models.Categorical(probabilities, perfect=False)))

    def decode_uniform(self, size: int) -> int:
        """The next of ``size`` symbols of the same probability."""
        return int(self._coder.decode(self._models.Uniform(size)))


class _Speller:
    """Codes how unknown tokens are written."""

    def __init__(self, spelling: Spelling) -> None:
        self._symbols, self._ends = list(spelling.probabilities), bool(spelling.ends)
        self._index = {symbol: i for i, symbol in enumerate(self._symbols)}
        self._probabilities = numpy.array(list(spelling.probabilities.values()))

    def encode(self, encoder: _Encoder, token: str) -> None:
        """Append the characters of a token, and its end."""
        for character in token:
            encoder.encode(self._index.get(character, self._index[ESCAPE]), self._probabilities)
            if character not in self._index:
                encoder.encode_uniform(ord(character), NUM_CODE_POINTS)
        if self._ends:
            encoder.encode(self._index[END], self._probabilities)

    def decode(self, decoder: _Decoder) -> str:
        """The next token."""
        token = ""
        while True:
            symbol = self._symbols[decoder.decode(self._probabilities)]
            if symbol == END:
                return token
            token += chr(decoder.decode_uniform(NUM_CODE_POINTS)) if symbol == ESCAPE else symbol
            if not self._ends:
                return token


def _number(value: int) -> bytes:
    """A number as bytes of 7 bits each, the last one below 128."""
    code = bytearray()
    while value >= 128:
        code.append(value & 127 | 128)
        value >>= 7
    return bytes([*code, value])


def _read_number(code: bytes) -> Tuple[int, int]:
    """The number at the beginning of a code, and where it ends."""
    value, place = code[0] & 127, 1
    while code[place - 1] >= 128:
        value |= (code[place] & 127) << 7 * place
        place += 1
    return value, place


def xz_bytes(before: bytes, text: bytes) -> int:
    """What a text adds to the size of the text before it, compressed by xz -9e."""
    return _xz(before + text) - _xz(before)


def _xz(data: bytes) -> int:
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def ppmd_bytes(before: bytes, validation: bytes, text: bytes) -> Tuple[int, int]:
    """What a text adds to the size of the texts before it, compressed by PPMd with 256 MB; and its order.

    The order is the best of 4, 5, 6, 8, 12 and 16 for ``validation``, which stands between the other two.

    Raises
    ------
    ValueError
        Without the package pyppmd.
    """
    try:
        import pyppmd
    except ImportError:
        raise InputError("pyppmd", "installed to compare with PPMd", Described("no such package"),
                         "pip install pyppmd") from None

    def size(data: bytes, order: int) -> int:
        encoder = pyppmd.Ppmd7Encoder(order, _MEMORY)
        return len(encoder.encode(data)) + len(encoder.flush())

    known = before + validation
    order = min(_ORDERS, key=lambda each: size(known, each) - size(before, each)) if validation else 6
    return size(known + text, order) - size(known, order), order
