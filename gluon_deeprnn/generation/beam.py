"""Beam search: the most likely continuations of a text."""

import dataclasses
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

from gluon_deeprnn.generation.sampler import penalized, step_block
from gluon_deeprnn.generation.stopping import NO_TOKEN, ShownText
from gluon_deeprnn.generation.writer import Writer
from gluon_deeprnn.graph import GraphBlock
from gluon_deeprnn.models.language_model import check_logits
from mxnet import np
import numpy


class BeamStep(GraphBlock):
    """One step of a beam search in one graph: reorder the states, read a token each, compute the log-probabilities."""

    def __init__(self, model: Any, use_penalty: bool) -> None:
        super().__init__()
        self._use_penalty = use_penalty
        self.model = model

    def hybrid_forward(self, F: Any, token: Any, parent: Any, state: List[Any], *penalty: Any) -> Any:
        """Return the log-probabilities, (B, V), the largest logits, (B,), and the state after the tokens, (B,).

        ``parent``, (B,), says of which column of the state each token is the next.  With a repetition penalty, also
        which tokens there were so far, (B, V).
        """
        state = [F.np.take(each, parent, axis=1, mode="clip") for each in state]
        logits, state = self.model(F.np.expand_dims(token, 0), state)
        logits = F.np.squeeze(logits, axis=0)
        best = F.np.max(logits, axis=-1)
        seen: Any = []
        if self._use_penalty:
            now = F.npx.one_hot(token, self.model.vocab_size)
            seen = [F.np.maximum(F.np.take(penalty[1], parent, axis=0, mode="clip"), now)]
            logits = penalized(F, logits, penalty[0], seen[0])
        return [F.npx.log_softmax(logits, axis=-1), best, state, *seen]


@dataclasses.dataclass(frozen=True)
class Hypothesis:
    """A continuation, or the beginning of one.

    Attributes
    ----------
    tokens : tuple of int
        Its indices, including those of a stop string or of the end of a record.
    score : float
        The sum of their log-probabilities, in nats.
    shown : ShownText
        Its text.
    """

    tokens: Tuple[int, ...]
    score: float
    shown: ShownText

    def followed_by(self, token: int, score: float) -> "Hypothesis":
        """The hypothesis with one more token, and the score of both; `NO_TOKEN` ends it."""
        shown = self.shown.copy()
        shown.add(token)
        if token == NO_TOKEN:
            return Hypothesis(self.tokens, self.score, shown)
        return Hypothesis((*self.tokens, token), score, shown)

    def normalized(self, length_penalty: float) -> float:
        """The score divided by ((5 + length) / 6) ** length_penalty."""
        return self.score / _divisor(len(self.tokens), length_penalty)


class _Candidate(NamedTuple):
    """A live hypothesis followed by a token: its score, the place of the hypothesis, the token."""

    score: float
    parent: int
    token: int


class BeamSearch:
    """A beam search after the text of a writer.

    At each step the candidates, all live hypotheses followed by each token, are taken in the order of their scores
    until as many of them as the beam is wide have not finished; these are the next live ones.  The search ends when as
    many have finished, when no live one can become better than the ``num_best`` best finished ones, or after
    ``length`` tokens, where the live ones finish.  Of two equal scores, that of the earlier hypothesis and the lower
    index is first.

    Parameters
    ----------
    writer : Writer
        The model, the options and the text that is continued.
    length : int
        Number of tokens to generate at most.
    stop : sequence of str
        A hypothesis finishes with the first of these strings, or with its record.
    num_best : int, default 1
        The number of hypotheses that are asked for.

    Attributes
    ----------
    finished : list of Hypothesis
        After the search the ``num_best`` best ones, the best first.

    Source
    ------
    Wu et al., "Google's Neural Machine Translation System: Bridging the Gap between Human and Machine Translation",
    2016 (length normalization).
    """

    def __init__(self, writer: Writer, length: int, stop: Sequence[str], num_best: int = 1) -> None:
        self._writer, self._length, self._num_best = writer, length, num_best
        self._width, self._penalty = writer.options.beam, writer.options.length_penalty
        self._live = [Hypothesis((), 0.0, ShownText(writer.vocab, stop))]
        self.finished: List[Hypothesis] = []
        self._num_finished = 0

    def tokens(self) -> Iterator[int]:
        """Search; yield the tokens of the best hypothesis, each as soon as all that can become it agree on it.

        `NO_TOKEN` follows if it ends since no token is allowed.
        """
        agreed = 0
        for _ in self._steps():
            possible = [*self.finished[:1], *self._live]
            while len({each.tokens[agreed:agreed + 1] for each in possible}) == 1 and len(possible[0].tokens) > agreed:
                yield possible[0].tokens[agreed]
                agreed += 1
        yield from self.finished[0].tokens[agreed:]
        if self.finished[0].shown.ended == "no_copy":
            yield NO_TOKEN

    def run(self) -> List[Hypothesis]:
        """Search; return the ``num_best`` best hypotheses, the best first."""
        for _ in self._steps():
            pass
        return self.finished

    def _steps(self) -> Iterator[None]:
        """One step of the search after the other."""
        writer, width = self._writer, self._width
        state, token, seen = writer.point()
        step = step_block(BeamStep, writer.model, bool(seen))
        penalty = [np.array([writer.options.repetition_penalty], dtype="float32", ctx=writer.ctx)] if seen else []
        state = [np.repeat(each, width, axis=1) for each in state]
        seen = [np.repeat(each, width, axis=0) for each in seen]
        tokens, parents = token.asnumpy().repeat(width), numpy.zeros(width, dtype="int32")
        for _ in range(self._length):
            read, parent = (np.array(each, dtype="int32", ctx=writer.ctx) for each in (tokens, parents))
            log_p, best, state, *seen = step(read, parent, state, *penalty, *seen)
            check_logits(best.asnumpy())
            chosen = self._choose(log_p.asnumpy()[:len(self._live)].astype("float64"))
            tokens[:len(chosen)] = [candidate.token for candidate in chosen]
            parents[:len(chosen)] = [candidate.parent for candidate in chosen]
            parents[len(chosen):] = 0
            if self._is_decided():
                break
            yield
        else:
            self._finish(self._live)
        self._live = []

    def _choose(self, log_p: numpy.ndarray) -> List[_Candidate]:
        """Choose the next live hypotheses by the log-probabilities of the tokens after each of them, (live, V)."""
        log_p[:, self._writer.never] = -numpy.inf
        if self._writer.no_copy:
            for row, hypothesis in zip(log_p, self._live):
                row[self._writer.no_copy.excluded([*self._writer.texts[0], *hypothesis.tokens])] = -numpy.inf
        finished = [each.followed_by(NO_TOKEN, 0.0) for each, row in zip(self._live, log_p) if row.max() == -numpy.inf]
        live: List[Hypothesis] = []
        chosen: List[_Candidate] = []
        for candidate in self._candidates(log_p + numpy.array([each.score for each in self._live])[:, None]):
            if len(live) == self._width:
                break
            hypothesis = self._live[candidate.parent].followed_by(candidate.token, candidate.score)
            if hypothesis.shown.ended:
                finished.append(hypothesis)
            else:
                live.append(hypothesis)
                chosen.append(candidate)
        self._live = live
        self._finish(finished)
        return chosen

    def _candidates(self, scores: numpy.ndarray) -> Iterator[_Candidate]:
        """All live hypotheses followed by each token that is allowed, in falling order of their scores, (live, V)."""
        flat, given, wanted = scores.ravel(), 0, 2 * self._width
        while given < flat.size:
            wanted = min(wanted, flat.size)
            least = numpy.partition(flat, flat.size - wanted)[flat.size - wanted]
            best = numpy.flatnonzero(flat >= least)
            best = best[numpy.argsort(-flat[best], kind="stable")]
            for place in best[given:].tolist():
                if flat[place] == -numpy.inf:
                    return
                yield _Candidate(float(flat[place]), *divmod(place, scores.shape[1]))
            given, wanted = len(best), 2 * wanted

    def _finish(self, hypotheses: List[Hypothesis]) -> None:
        self._num_finished += len(hypotheses)
        ranked = sorted([*self.finished, *hypotheses], key=lambda each: -each.normalized(self._penalty))
        self.finished = ranked[:self._num_best]

    def _is_decided(self) -> bool:
        """Whether the search is complete, since no live hypothesis can matter."""
        if not self._live or self._num_finished >= self._width:
            return True
        if len(self.finished) < self._num_best:
            return False
        bound = max(each.score for each in self._live) / _divisor(self._length, self._penalty)
        return self.finished[-1].normalized(self._penalty) >= bound


def _divisor(length: int, length_penalty: float) -> float:
    return ((5 + length) / 6) ** length_penalty
