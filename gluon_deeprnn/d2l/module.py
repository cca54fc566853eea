"""`Module`: a model whose parameters are Gluon parameters, bare arrays, or both."""

from contextvars import ContextVar
import logging
import os
from typing import Any, Collection, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Union

from gluon_deeprnn import mxnet_private
from gluon_deeprnn.d2l.board import ProgressBoard
from gluon_deeprnn.d2l.oop import HyperParameters
from gluon_deeprnn.d2l.sgd import SGD
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.models.saved import read_arrays, write_arrays
from mxnet import gluon, np
from mxnet.gluon import nn
from mxnet.gluon.parameter import ParameterDict
import numpy

_log = logging.getLogger(__name__)

_calling: ContextVar[bool] = ContextVar("_calling", default=False)


class Module(mxnet_private.ContainingBlock, HyperParameters):
    """Base class of the book's models; subclasses define ``forward`` and ``loss``.

    Parameters may be Gluon's, in blocks, or bare arrays of floats.  They are found in attributes, and in lists, tuples
    and dictionaries of attributes, at any depth.  (The book's class does not search lists, so its stacked RNN is never
    trained.)

    Which bare arrays of a module are parameters:

    * if any of them has a gradient (``attach_grad``): those with a gradient; the others are constants;
    * else, as in the book, all of them if the module consists of bare arrays only, and none if it also has parameters
      of Gluon's, in itself or below; a warning then names the constants when the training begins;
    * never those that are assigned while the module is called, such as activations that ``forward`` keeps.

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

    NOT_SEARCHED = ("hparams", "board", "trainer")

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

    def __call__(self, *args: Any) -> Any:
        """The outputs of ``forward``."""
        token = _calling.set(True)
        try:
            return super().__call__(*args)
        finally:
            _calling.reset(token)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        kept: Set[str] = self.__dict__.setdefault("_kept", set())
        if _calling.get():
            kept.add(name)
        else:
            kept.discard(name)

    def __getstate__(self) -> Dict[str, Any]:
        # For copy and pickle: copies of arrays have no gradients, and a trainer is not part of a model.
        state = {name: value for name, value in vars(self).items() if name != "trainer"}
        if any(array.value.grad is not None for array in _arrays_of(self)):
            state.update(_scratch=self._scratch_attributes(), _known_constants=self._constants())
        return state

    def initialize(self, init: Any = None, ctx: Any = None, verbose: bool = False, force_reinit: bool = False) -> None:
        """Initialize all Gluon parameters that have no values yet, in lists and dictionaries as well.

        Parameters
        ----------
        init : str or mxnet.init.Initializer, optional
            The initializer of parameters that have none of their own; default: Gluon's, or the layer's.
        ctx : mxnet.context.Context or list of these, optional
            The device; default: the CPU.
        verbose : bool, default False
            Log what is initialized, as in Gluon.
        force_reinit : bool, default False
            Whether to initialize parameters with values again.
        """
        missing = ParameterDict()
        missing.update({name: parameter for name, parameter in self.collect_params().items()
                        if force_reinit or not mxnet_private.is_initialized(parameter)})
        missing.initialize(**({} if init is None else {"init": init}), ctx=ctx, verbose=verbose,
                           force_reinit=force_reinit)

    def get_scratch_params(self) -> List[np.ndarray]:
        """All parameters as arrays, the values of Gluon's, too; before a training also arrays without a gradient.

        So the book's loop, ``for param in self.get_scratch_params(): param.attach_grad()``, makes all bare arrays of a
        module its parameters.
        """
        found = [array.value for _, module in _modules_in(self) for array in _arrays_of(
            module, module._scratch_attributes() or (set() if "_scratch" in vars(module) else module._constants()))]
        return _each_once(found + [parameter.data() for parameter in self.collect_params().values()])

    def parameters(self) -> Union[List[np.ndarray], ParameterDict]:
        """The parameters that are trained: Gluon's dictionary if all of them are Gluon's, else a list of arrays."""
        bare = [array.value for _, module in _modules_in(self)
                for array in _arrays_of(module, module._scratch_attributes())]
        parameters = self.collect_params()
        if not bare:
            return parameters
        return _each_once(bare + [parameter.data() for parameter in parameters.values()
                                  if parameter.grad_req != "null"])

    def set_scratch_params_device(self, device: Union[str, Context]) -> None:
        """Move all parameters and constants to a device, and attach gradients to the bare arrays that are parameters.

        From then on, these attributes are the module's parameters.
        """
        ctx = as_context(device)
        self.collect_params().reset_ctx(ctx)
        for _, module in _modules_in(self):
            own = list(_arrays_of(module))
            names, constants = module._scratch_attributes(own), module._constants(own)
            if constants and not names and vars(module).get("_scratch") is None:
                _log.warning("constants: %s of %s; call attach_grad() of an array that is to be trained",
                             ", ".join(sorted(constants)), type(module).__name__)
            for array in own:
                if array.attribute in names | constants:
                    moved = array.value.as_in_ctx(ctx)
                    if array.attribute in names:
                        moved.attach_grad()
                    array.replace(moved)
            module.__dict__.update(_scratch=names, _known_constants=constants)

    def save_parameters(self, filename: Union[str, "os.PathLike[str]"], deduplicate: bool = False) -> None:
        """Write all parameters, Gluon's and bare arrays, and the constants; the file is replaced atomically.

        Parameters
        ----------
        filename : str or path
            The file; `mxnet.npx.load` can read it.
        deduplicate : bool, default False
            Write shared parameters once only.

        Raises
        ------
        ValueError
            If the file cannot be written, or parameters are not initialized.
        """
        found = mxnet_private.named_in_files(self)
        if deduplicate:
            found = {name: parameter for parameter, name in {each: name for name, each in found.items()}.items()}
        for name, parameter in found.items():
            if not mxnet_private.has_values(parameter):
                raise InputError(f"parameter {name}", "initialized", Described("none"), "call the model once")
        arrays = {name: parameter.data(parameter.list_ctx()[0]) for name, parameter in found.items()}
        write_arrays(filename, {**arrays, **self._bare_by_path()})

    def load_parameters(self, filename: Union[str, "os.PathLike[str]"], ctx: Optional[Union[str, Context]] = None,
                        allow_missing: bool = False, ignore_extra: bool = False, cast_dtype: bool = False,
                        dtype_source: str = "current") -> None:
        """Load the parameters of a file that `save_parameters` wrote.

        Parameters
        ----------
        filename : str or path
            The file.
        ctx : str or mxnet.context.Context, optional
            The device of the parameters; default: where they are, or the CPU.
        allow_missing, ignore_extra : bool, default False
            Whether parameters of the model may be missing from the file, and the file may contain others.
        cast_dtype, dtype_source
            As in Gluon.

        Raises
        ------
        ValueError
            "... must be parameters of this model; got a file without W_hq, b_q", and similar messages for other names
            or shapes; the model is then unchanged.
        """
        arrays = read_arrays(filename)
        bare = self._bare_by_path()
        found = {**mxnet_private.named_in_earlier_files(self), **bare}
        has = {id(found[name]) for name in arrays if name in found}
        missing = [name for name in {**mxnet_private.named_in_files(self), **bare} if id(found[name]) not in has]
        extra = [name for name in arrays if name not in found]
        for names, allowed, what in ((missing, allow_missing, "without"), (extra, ignore_extra, "with")):
            if names and not allowed:
                raise InputError(str(filename), "parameters of this model",
                                 Described(f"a file {what} {', '.join(sorted(names))}"))
        for name, array in arrays.items():
            if name in found and not _fits(found[name].shape, array.shape):
                raise InputError(str(filename), "parameters of this model",
                                 Described(f"{name} of shape {array.shape}, where it has {found[name].shape}"))
        place = None if ctx is None else as_context(ctx)
        for name, array in arrays.items():
            if name in bare:
                bare[name][:] = np.array(array)
            elif name in found:
                mxnet_private.set_values(found[name], np.array(array, dtype=array.dtype), place, cast_dtype=cast_dtype,
                                         dtype_source=dtype_source)

    def _bare_by_path(self) -> Dict[str, np.ndarray]:
        """The bare arrays of all modules, parameters and constants, by path."""
        return {".".join(filter(None, (path, array.path))): array.value for path, module in _modules_in(self)
                for array in _arrays_of(module, module._scratch_attributes() | module._constants())}

    def _scratch_attributes(self, own: Optional[Collection["_Bare"]] = None) -> Set[str]:
        """The attributes that hold bare arrays that are parameters; see the class.  ``own``: all bare arrays."""
        own = list(_arrays_of(self)) if own is None else own
        marked = {array.attribute for array in own if array.value.grad is not None}
        known = vars(self).get("_scratch")
        if known is not None:
            return known | marked
        if marked or any(True for _ in self.collect_params().values()):
            return marked
        return {array.attribute for array in own} - self._kept

    def _constants(self, own: Optional[Collection["_Bare"]] = None) -> Set[str]:
        """The attributes that hold other bare arrays, but those that calls and trainings keep."""
        own = list(_arrays_of(self)) if own is None else own
        known = vars(self).get("_known_constants")
        found = {array.attribute for array in own} - self._kept if known is None else known
        return found - self._scratch_attributes(own)


class _Bare(NamedTuple):
    """A bare array of floats in an attribute of a module, or in a container there."""

    module: Module
    attribute: str
    path: str
    container: Any
    key: Any
    value: np.ndarray

    def replace(self, value: np.ndarray) -> None:
        """Put another array in its place."""
        if self.container is self.module:
            setattr(self.module, self.attribute, value)
        elif value is not self.value:
            self.container[self.key] = value


def _arrays_of(module: Module, attributes: Optional[Collection[str]] = None) -> Iterator[_Bare]:
    """The arrays of floats in some of the attributes of a module itself; in all of them by default."""
    def walk(attribute: str, path: str, container: Any, key: Any, value: Any) -> Iterator[_Bare]:
        if isinstance(value, np.ndarray):
            if value.dtype in (numpy.float32, numpy.float64):
                yield _Bare(module, attribute, path, container, key, value)
        elif isinstance(value, (list, tuple, dict)):
            for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
                yield from walk(attribute, f"{path}.{name}", value, name, inner)

    for name, value in vars(module).items():
        searched = name not in (*mxnet_private.BLOCK_ATTRIBUTES, *module.NOT_SEARCHED)
        if searched if attributes is None else name in attributes:
            yield from walk(name, name, module, name, value)


def _modules_in(block: nn.Block, path: str = "", seen: Optional[Set[int]] = None) -> Iterator[Any]:
    """The modules of a tree of blocks, each once, with their paths."""
    seen = set() if seen is None else seen
    if id(block) in seen:
        return
    seen.add(id(block))
    if isinstance(block, Module):
        yield path, block
    for name, child in mxnet_private.children(block).items():
        yield from _modules_in(child, f"{path}.{name}" if path else name, seen)


def _each_once(arrays: List[np.ndarray]) -> List[np.ndarray]:
    return list({id(array): array for array in arrays}.values())


def _fits(shape: Sequence[int], found: Sequence[int]) -> bool:
    """Whether an array of the shape ``found`` fits a parameter of ``shape``, whose unknown sizes are not positive."""
    return len(shape) == len(found) and all(size <= 0 or size == own for size, own in zip(shape, found))
