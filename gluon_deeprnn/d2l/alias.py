"""The import line of the book's notebooks."""

import importlib.util
import sys
import types


def register() -> None:
    """Make ``from d2l import mxnet as d2l`` import this package, in this process.

    Put one line before the book's import::

        from gluon_deeprnn import d2l; d2l.register()

    Raises
    ------
    ImportError
        When the book's own package ``d2l`` is installed: two packages cannot have one name.

    Examples
    --------
    >>> from gluon_deeprnn import d2l as ours
    >>> ours.register()
    >>> from d2l import mxnet as d2l
    >>> d2l is ours
    True
    """
    ours = sys.modules["gluon_deeprnn.d2l"]
    if "d2l" in sys.modules and getattr(sys.modules["d2l"], "mxnet", None) is ours:
        return
    if importlib.util.find_spec("d2l") is not None:
        raise ImportError("d2l must not be installed; got the book's own package "
                          "(pip uninstall d2l, or change the import to: from gluon_deeprnn import d2l)")
    package = types.ModuleType("d2l", "An alias of gluon_deeprnn.d2l.")
    package.__path__ = []
    vars(package)["mxnet"] = ours
    sys.modules["d2l"], sys.modules["d2l.mxnet"] = package, ours
