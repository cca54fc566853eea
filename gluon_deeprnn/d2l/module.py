"""The book's base classes: models whose parameters are found wherever they are held, data, plain gradient descent."""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from gluon_deeprnn._checks import Described, InputError
from gluon_deeprnn.d2l.oop import HyperParameters, ProgressBoard
from gluon_deeprnn.devices import Context, as_context
from mxnet import gluon, np, npx
from mxnet.gluon import Parameter, nn
from mxnet.gluon.parameter import ParameterDict
import numpy


class Module(nn.Block, HyperParameters):
    """A model of the book: subclass it, write ``forward`` and ``loss``.

    Parameters may be Gluon's, in blocks, or bare arrays; they are found in attributes, and in lists, tuples and
    dictionaries of attributes, however deep.  (The book's own does not look into lists, so that its stacked RNN is
    never trained.)

    Parameters
    ----------
    plot_train_per_epoch, plot_valid_per_epoch : int, default 2 and 1
        Points of the curves in an epoch.

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
        """The loss of predictions: for subclasses to write."""
        raise InputError(f"{type(self).__name__}.loss", "written by the subclass", Described("none"))

    def forward(self, X: Any) -> Any:
        """Apply ``self.net``; subclasses write their own."""
        return self.net(X)

    def plot(self, key: str, value: Any, train: bool) -> None:
        """Add to the curve ``train_<key>`` or ``val_<key>``; perplexities, ``ppl``, become exp of the mean loss."""
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
        """`SGD` over bare arrays, Gluon's trainer over Gluon's parameters, at rate ``self.lr``."""
        parameters = self.parameters()
        if isinstance(parameters, list):
            return SGD(parameters, self.lr)
        return gluon.Trainer(parameters, "sgd", {"learning_rate": self.lr}, kvstore=None)

    def initialize(self, init: Any = None, ctx: Any = None, verbose: bool = False, force_reinit: bool = False) -> None:
        """Give Gluon's parameters their initial values, wherever they are held."""
        for _, _, held in _held(self):
            if isinstance(held, Parameter) and (force_reinit or (held._data is None and not held._deferred_init)):
                held.initialize(init=init, ctx=ctx, force_reinit=force_reinit)

    def get_scratch_params(self) -> List[np.ndarray]:
        """Bare arrays and the arrays of Gluon parameters, each once, in the order in which they are held."""
        return [held.data() if isinstance(held, Parameter) else held for _, _, held in _held(self)]

    def parameters(self) -> Union[List[np.ndarray], ParameterDict]:
        """Everything to train: Gluon's dictionary if all is Gluon's, else a list of arrays."""
        if all(isinstance(held, Parameter) for _, _, held in _held(self)):
            everything = ParameterDict()
            everything.update({held.name: held for _, _, held in _held(self)})
            return everything
        return self.get_scratch_params()

    def set_scratch_params_device(self, device: Union[str, Context]) -> None:
        """Move all parameters to a device, and make room for the gradients of bare arrays."""
        ctx = as_context(device)
        for holder, key, held in list(_held(self)):
            if isinstance(held, Parameter):
                held.reset_ctx(ctx)
            else:
                moved = held.as_in_ctx(ctx)
                moved.attach_grad()
                _put(holder, key, moved)


def _held(module: nn.Block) -> Iterator[Tuple[Any, Any, Union[np.ndarray, Parameter]]]:
    """Every parameter below a module: who holds it, under which key, and it; each once."""
    seen = set()

    def walk(holder: Any, key: Any, value: Any) -> Iterator[Tuple[Any, Any, Any]]:
        if isinstance(value, (np.ndarray, Parameter)):
            trained = isinstance(value, Parameter) or value.dtype in (numpy.float32, numpy.float64)
            if id(value) not in seen and trained:
                seen.add(id(value))
                yield holder, key, value
        elif isinstance(value, nn.Block) and id(value) not in seen:
            seen.add(id(value))
            for name, inner in _members(value).items():
                yield from walk(value, name, inner)
        elif isinstance(value, (list, tuple)):
            for i, inner in enumerate(value):
                yield from walk(value, i, inner)
        elif isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(value, name, inner)

    yield from walk(None, None, module)


_NOT_HELD = {"_children", "_reg_params", "_params", "_forward_hooks", "_forward_pre_hooks", "hparams", "board",
             "trainer"}


def _members(block: nn.Block) -> Dict[str, Any]:
    """What a block holds: its own attributes, then parameters and children that are registered but no attributes."""
    members = {name: value for name, value in vars(block).items() if name not in _NOT_HELD}
    members.update({f"registered {name}": value for name, value in block._reg_params.items()})
    members.update({f"child {name}": value for name, value in block._children.items()})
    return members


def _put(holder: Any, key: Any, value: np.ndarray) -> None:
    if isinstance(holder, nn.Block):
        setattr(holder, key, value)
    else:
        holder[key] = value


class DataModule(HyperParameters):
    """The book's data: subclass it and write ``get_dataloader``.

    Parameters
    ----------
    root : str, default "../data"
        Where downloads would go; texts here are found by `gluon_deeprnn.data.corpora`.
    num_workers : int, default 4
        Kept for the book's sake: batches are cut from one array, which needs no workers.

    Source
    ------
    Dive into Deep Learning, section "Object-Oriented Design for Implementation".
    """

    def __init__(self, root: str = "../data", num_workers: int = 4) -> None:
        self.save_hyperparameters()

    def get_dataloader(self, train: bool) -> Any:
        """The batches to train on, or those to validate on: for subclasses to write."""
        raise InputError(f"{type(self).__name__}.get_dataloader", "written by the subclass", Described("none"))

    def train_dataloader(self) -> Any:
        """The batches to train on."""
        return self.get_dataloader(train=True)

    def val_dataloader(self) -> Any:
        """The batches to validate on."""
        return self.get_dataloader(train=False)

    def get_tensorloader(self, tensors: Sequence[np.ndarray], train: bool,
                         indices: slice = slice(0, None)) -> gluon.data.DataLoader:
        """Batches of ``self.batch_size`` out of arrays, shuffled to train."""
        dataset = gluon.data.ArrayDataset(*(tensor[indices] for tensor in tensors))
        return gluon.data.DataLoader(dataset, self.batch_size, shuffle=train)


class Classifier(Module):
    """A model that scores classes; the loss is the cross-entropy.

    Source
    ------
    Dive into Deep Learning, section "The Base Classification Model".
    """

    def validation_step(self, batch: Sequence[Any]) -> None:
        """Plot loss and accuracy of a validation batch."""
        Y_hat = self(*batch[:-1])
        self.plot("loss", self.loss(Y_hat, batch[-1]), train=False)
        self.plot("acc", self.accuracy(Y_hat, batch[-1]), train=False)

    def loss(self, Y_hat: Any, Y: Any, averaged: bool = True) -> Any:
        """Cross-entropy of scores (..., V) and labels (...); its mean, or one for each label."""
        log_p = npx.log_softmax(Y_hat.reshape(-1, Y_hat.shape[-1]), axis=-1)
        losses = -npx.pick(log_p, Y.reshape(-1), axis=-1)
        return losses.mean() if averaged else losses

    def accuracy(self, Y_hat: Any, Y: Any, averaged: bool = True) -> Any:
        """The share of labels with the highest score, or 1 and 0 for each label."""
        right = (Y_hat.reshape(-1, Y_hat.shape[-1]).argmax(axis=1) == Y.reshape(-1)).astype("float32")
        return right.mean() if averaged else right

    def layer_summary(self, X_shape: Sequence[int]) -> None:
        """Print the shape that each layer of ``self.net`` makes of an input."""
        X = np.random.randn(*X_shape)
        for layer in self.net:
            X = layer(X)
            print(type(layer).__name__, "output shape:\t", X.shape)


class SGD(HyperParameters):
    """Gradient descent over bare arrays.

    Parameters
    ----------
    params : list of mxnet.np.ndarray
        With gradients attached.
    lr : float
        Learning rate.

    Source
    ------
    Dive into Deep Learning, section "Linear Regression Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> from mxnet import autograd
    >>> w = d2l.tensor([1.0, 2.0])
    >>> w.attach_grad()
    >>> with autograd.record():
    ...     loss = (w ** 2).sum()
    >>> loss.backward()
    >>> d2l.SGD([w], lr=0.5).step(1)
    >>> w.tolist()
    [0.0, 0.0]
    """

    def __init__(self, params: List[np.ndarray], lr: float) -> None:
        self.save_hyperparameters()

    def step(self, _: Optional[int] = None) -> None:
        """Move every array against its gradient."""
        for param in self.params:
            param -= self.lr * param.grad


