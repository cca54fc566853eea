"""Data parallelism: each context computes the gradients of some columns of a batch, and their sum is the batch's."""

from typing import Any, List, NamedTuple, Optional, Sequence

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.data.batches import PADDING
from gluon_deeprnn.devices import Context
from gluon_deeprnn.distributed import ALONE, Workers
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.evaluation import MeanLoss
import mxnet
from mxnet import autograd, np
import numpy

State = List[np.ndarray]


class Shares(NamedTuple):
    """The loss of a batch, as its contexts computed it; the values are not awaited.

    Attributes
    ----------
    means : list of mxnet.np.ndarray
        The mean loss of the columns of each context, ().
    shares : list of float
        The share of each context in the targets of the batch.
    num_targets : int
        The number of targets of the batch.
    """

    means: List[np.ndarray]
    shares: List[float]
    num_targets: int

    def mean(self) -> float:
        """The mean loss of the batch; waits for it."""
        return sum(float(mean.item()) * share for mean, share in zip(self.means, self.shares))


def columns_of(num_columns: int, replica: int, num_replicas: int) -> slice:
    """The columns of a batch that a replica processes: equal numbers, of which the first replicas have one more.

    Examples
    --------
    >>> from gluon_deeprnn.training.replicas import columns_of
    >>> [columns_of(7, replica, 3) for replica in range(3)]
    [slice(0, 3, None), slice(3, 5, None), slice(5, 7, None)]
    """
    each, more = divmod(num_columns, num_replicas)
    start = replica * each + min(replica, more)
    return slice(start, start + each + (replica < more))


class Replicas:
    """A model on several contexts: one forward and backward pass of a batch, and the state that is carried over.

    The loss of a context counts by its share in the targets of the batch, so that the sum of the gradients over the
    contexts is the gradient of the mean over the batch, whatever the shares are.  The parameters are updated on the
    first context and copied to the others: they are the same everywhere, and so is the state of the optimizer.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The model, with its parameters on all contexts.
    objective : MeanLoss
        The model and its loss in one graph.
    contexts : sequence of mxnet.context.Context
        The contexts.
    seed : int
        Seed of the dropout masks, of which each context has its own.
    padded : bool
        Whether targets of -1 are padding.
    workers : Workers, default ALONE
        The processes that share the batches; each has the same number of contexts.
    """

    def __init__(self, model: Any, objective: MeanLoss, contexts: Sequence[Context], *, seed: int, padded: bool,
                 workers: Workers = ALONE) -> None:
        self._model, self._objective, self._contexts = model, objective, list(contexts)
        self._seed, self._padded = seed, padded
        self._parameters = [parameter for _, parameter in model.named_parameters()]
        self._states: List[Optional[State]] = [None] * len(self._contexts)
        self._num_columns = 0
        self._workers = workers
        self._first = workers.rank * len(self._contexts)  # the number of its first replica, of those of all workers
        self._num_replicas = workers.size * len(self._contexts)
        self._sums: Any = workers
        if workers.size == 1 and len(self._contexts) > 1:
            on_gpus = all(ctx.device_type == "gpu" for ctx in self._contexts)
            self._sums = Workers(store=mxnet.kv.create("device" if on_gpus else "local"))
        if self._num_replicas > 1:
            self._keys = [self._sums.prepare(f"gradient {i}", parameter.shape)
                          for i, parameter in enumerate(self._parameters)]

    def draw_masks(self, *position: int) -> None:
        """Seed the dropout masks of the following steps by their position in the training."""
        for replica, ctx in enumerate(self._contexts, self._first):
            seed = _derived_seed(self._seed, *position, *([replica] if replica else []))
            mxnet.random.seed(seed, **({"ctx": ctx} if self._num_replicas > 1 else {}))

    def backward(self, x: numpy.ndarray, y: numpy.ndarray, *, carried: bool) -> Shares:
        """Compute the gradients of a batch, on the first context; it does not wait for the device.

        Parameters
        ----------
        x, y : numpy.ndarray
            Token indices and targets, (T, N).
        carried : bool
            Whether the batch begins with the state that the last one has left.
        """
        num_targets = int((y != PADDING).sum()) if self._padded else y.size
        if not num_targets:
            raise InputError("y", "targets of which at least one is not padding", Described(f"shape {y.shape}, all -1"))
        minimized, means, shares = [], [], []
        self._num_columns = x.shape[1]
        for i, ctx in enumerate(self._contexts):
            columns = columns_of(x.shape[1], self._first + i, self._num_replicas)
            counts = columns.start < columns.stop
            if not counts:  # fewer columns than replicas: it repeats the first, and its loss has the weight 0
                columns = slice(0, 1)
            state = self._states[i] if carried else None
            with ctx, autograd.record():
                if state is None:
                    state = self._model.begin_state(columns.stop - columns.start, ctx)  # recorded: it may be learned
                loss, state, count = self._objective.of_batch(x[:, columns], y[:, columns], state, padded=self._padded,
                                                              may_be_empty=True)
            own, mean = loss if isinstance(loss, list) else (loss, loss)
            # Truncated backpropagation: no gradient across batches.
            self._states[i] = [array.detach() for array in state]
            minimized.append(own)
            means.append(mean)
            shares.append(count / num_targets if counts else 0.0)
        if self._num_replicas == 1:
            minimized[0].backward()
        else:
            autograd.backward(minimized, [np.full((), share, ctx=ctx) for share, ctx in zip(shares, self._contexts)])
        self._sum_gradients()
        if self._workers.size > 1:
            own = sum(mean.as_in_ctx(self._contexts[0]) * share for mean, share in zip(means, shares))
            means, shares = [self._workers.sum("loss", own.reshape(1))], [1.0]
        return Shares(means, shares, num_targets)

    def _sum_gradients(self) -> None:
        for i, parameter in enumerate(self._parameters):
            if parameter.grad_req == "null":
                continue
            gradients = parameter.list_grad()
            for array, gradient in zip(parameter.list_data(), gradients):
                # A learned initial state has no gradient in batches with a carried state.
                if not mxnet_private.has_new_gradient(array):
                    gradient[:] = 0
            if self._num_replicas > 1:
                self._sums.add(self._keys[i], gradients, gradients[0], priority=-i)
                for array in parameter.list_data()[1:]:
                    mxnet_private.mark_gradient(array, new=False)  # the optimizer updates the first only

    def copy_parameters(self) -> None:
        """Copy the parameters of the first context to the others."""
        for parameter in self._parameters:
            first, *others = parameter.list_data()
            for other in others:
                first.copyto(other)

    def state(self) -> List[numpy.ndarray]:
        """The state after the last batch, of all its columns; empty before the first.  It waits for all workers."""
        states = [state for state in self._states if state is not None]
        if not states:
            return []
        own = [numpy.concatenate([array.asnumpy() for array in arrays], axis=1) for arrays in zip(*states)]
        return [self._of_all(f"state {i}", array) for i, array in enumerate(own)]

    def _of_all(self, name: str, own: numpy.ndarray) -> numpy.ndarray:
        """The columns of all workers, of an array with those of this one: (layers, columns, units)."""
        start = columns_of(self._num_columns, self._first, self._num_replicas).start
        own = own[:, :max(0, self._num_columns - start)]  # replicas without columns have a repeated one
        if self._workers.size == 1:
            return own
        every = numpy.zeros((own.shape[0], self._num_columns, own.shape[2]), dtype="float32")
        every[:, start:start + own.shape[1]] = own
        return self._workers.total(name, every)

    def set_state(self, state: Sequence[numpy.ndarray]) -> None:
        """Set the state that `state` returned; an empty one is the initial state."""
        self._num_columns = state[0].shape[1] if state else 0
        for i, ctx in enumerate(self._contexts):
            self._states[i] = None
            if state:
                columns = columns_of(self._num_columns, self._first + i, self._num_replicas)
                self._states[i] = [np.array(array[:, columns if columns.start < columns.stop else slice(0, 1)], ctx=ctx)
                                   for array in state]


def _derived_seed(*numbers: int) -> int:
    return int(numpy.random.SeedSequence(numbers).generate_state(1)[0] >> 1)
