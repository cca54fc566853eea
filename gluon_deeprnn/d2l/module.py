"""`Module`: a model whose parameters are Gluon parameters, bare arrays, or both."""

from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.d2l.board import ProgressBoard
from gluon_deeprnn.d2l.oop import HyperParameters
from gluon_deeprnn.d2l.sgd import SGD
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import Described, InputError
from mxnet import gluon, np
from mxnet.gluon import Parameter, nn
from mxnet.gluon.parameter import ParameterDict
import numpy


class Module(nn.Block, HyperParameters):
    """Base class of the book's models; subclasses define ``forward`` and ``loss``.

    Parameters may be Gluon's, in blocks, or bare arrays.  They are found in attributes, and in lists, tuples and
    dictionaries of attributes, at any depth.  (The book's class does not search lists, so its stacked RNN is never
    trained.)

    Parameters
    ----------
    plot_train_per_epoch, plot_valid_per_epoch : int, default 2 and 1
        Points per epoch in the curves.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> class Two(d2l.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layers = [d2l.RNNScratch(3, 4), d2l.RNNScratch(4, 4)]
    >>> len(Two().get_scratch_params())
    6
    """

    def __init__(self, plot_train_per_epoch: int = 2, plot_valid_per_epoch: int = 1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.board = ProgressBoard()

    def loss(self, y_hat: Any, y: Any) -> Any:
        """The loss of predictions; subclasses must define it."""
        raise InputError(f"{type(self).__name__}.loss", "defined by the subclass", Described("none"))

    def forward(self, X: Any) -> Any:
        """``self.net(X)``; subclasses may define another."""
        return self.net(X)

    def plot(self, key: str, value: Any, train: bool) -> None:
        """Add a value to the curve ``train_<key>`` or ``val_<key>``; for ``ppl``, points are exp of the mean loss."""
        trainer = self.trainer
        self.board.xlabel = "epoch"
        if train:
            x, batches = trainer.train_batch_idx / trainer.num_train_batches, trainer.num_train_batches
            every_n = batches / self.plot_train_per_epoch
        else:
            x, batches = trainer.epoch + 1, trainer.num_val_batches
            every_n = batches / self.plot_valid_per_epoch
        self.board.draw(x, value, ("train_" if train else "val_") + key, every_n=max(1, int(every_n)),
                        weight=trainer.batch_size, logarithmic=key == "ppl")

    def training_step(self, batch: Sequence[Any]) -> Any:
        """The loss of a training batch."""
        loss = self.loss(self(*batch[:-1]), batch[-1])
        self.plot("loss", loss, train=True)
        return loss

    def validation_step(self, batch: Sequence[Any]) -> None:
        """Plot the loss of a validation batch."""
        self.plot("loss", self.loss(self(*batch[:-1]), batch[-1]), train=False)

    def configure_optimizers(self) -> Any:
        """`SGD` where a parameter is a bare array, else Gluon's trainer; both at learning rate ``self.lr``."""
        parameters = self.parameters()
        if isinstance(parameters, list):
            return SGD(parameters, self.lr)
        return gluon.Trainer(parameters, "sgd", {"learning_rate": self.lr}, kvstore=None)

    def initialize(self, init: Any = None, ctx: Any = None, verbose: bool = False, force_reinit: bool = False) -> None:
        """Initialize all Gluon parameters that have no values yet, in lists and dictionaries as well."""
        for _, _, found in _find_parameters(self):
            if isinstance(found, Parameter) and (force_reinit or not mxnet_private.is_initialized(found)):
                found.initialize(init=init, ctx=ctx, force_reinit=force_reinit)

    def get_scratch_params(self) -> List[np.ndarray]:
        """All parameters as arrays: the bare ones, and the values of Gluon's."""
        return [found.data() if isinstance(found, Parameter) else found for _, _, found in _find_parameters(self)]

    def parameters(self) -> Union[List[np.ndarray], ParameterDict]:
        """All parameters: Gluon's dictionary if all of them are Gluon's, else a list of arrays."""
        found = [parameter for _, _, parameter in _find_parameters(self)]
        if all(isinstance(parameter, Parameter) for parameter in found):
            parameters = ParameterDict()
            parameters.update({parameter.name: parameter for parameter in found})
            return parameters
        return self.get_scratch_params()

    def set_scratch_params_device(self, device: Union[str, Context]) -> None:
        """Move all parameters to a device, and attach gradients to the bare arrays."""
        ctx = as_context(device)
        for owner, key, found in list(_find_parameters(self)):
            if isinstance(found, Parameter):
                found.reset_ctx(ctx)
            else:
                moved = found.as_in_ctx(ctx)
                moved.attach_grad()
                if isinstance(owner, nn.Block):
                    setattr(owner, key, moved)
                else:
                    owner[key] = moved


def _find_parameters(module: nn.Block) -> Iterator[Tuple[Any, Any, Union[np.ndarray, Parameter]]]:
    """Every parameter of a module, once: what contains it, its key there, and the parameter."""
    seen = set()

    def walk(owner: Any, key: Any, value: Any) -> Iterator[Tuple[Any, Any, Any]]:
        if isinstance(value, (np.ndarray, Parameter)):
            trainable = isinstance(value, Parameter) or value.dtype in (numpy.float32, numpy.float64)
            if id(value) not in seen and trainable:
                seen.add(id(value))
                yield owner, key, value
        elif isinstance(value, nn.Block) and id(value) not in seen:
            seen.add(id(value))
            for name, inner in _attributes(value).items():
                yield from walk(value, name, inner)
        elif isinstance(value, (list, tuple)):
            for i, inner in enumerate(value):
                yield from walk(value, i, inner)
        elif isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(value, name, inner)

    yield from walk(None, None, module)


_NOT_SEARCHED = {*mxnet_private.BLOCK_ATTRIBUTES, "hparams", "board", "trainer"}


def _attributes(block: nn.Block) -> Dict[str, Any]:
    """The attributes of a block, then the parameters and children that are registered without being attributes."""
    found = {name: value for name, value in vars(block).items() if name not in _NOT_SEARCHED}
    found.update({f"registered {name}": value for name, value in mxnet_private.own_parameters(block).items()})
    found.update({f"child {name}": value for name, value in mxnet_private.children(block).items()})
    return found
