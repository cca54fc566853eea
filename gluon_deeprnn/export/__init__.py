"""Takes models elsewhere: to torch, ONNX, safetensors, MXNet's symbols and browsers, and into one file; all checked."""

from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.export import html_format, onnx_format, symbol_format, torch_format, zip_format
from gluon_deeprnn.export.checking import Compared as Compared
from gluon_deeprnn.export.rounding import DTYPES


class Format(NamedTuple):
    """A format.

    Attributes
    ----------
    about : str
        What it is, for ``--help``.
    ending : str
        How the name of the file ends; "" for a name to which endings are appended.
    write : callable
        ``write(run, path)`` returns the files that were written; if there are several ``dtypes``, it takes a third
        argument, ``dtype``.
    check : callable
        ``check(run, path)`` runs what was written by the other program, and returns a `Compared`.
    dtypes : tuple of str
        The numbers that it can have.
    """

    about: str
    ending: str
    write: Callable[..., Tuple[Path, ...]]
    check: Callable[[Any, Path], Compared]
    dtypes: Tuple[str, ...] = ("float32",)


FORMATS: Mapping[str, Format] = {
    "torch": Format("a Python program on torch, and its parameters", ".py", torch_format.write_torch,
                    torch_format.check),
    "safetensors": Format("the parameters under the names of torch", ".safetensors", torch_format.write_safetensors,
                          torch_format.check),
    "onnx": Format("a graph for onnxruntime and others", ".onnx", onnx_format.write, onnx_format.check,
                   ("float32", "int8")),
    "symbol": Format("a graph and parameters for MXNet alone", "", symbol_format.write, symbol_format.check),
    "html": Format("one page that writes and scores texts in a browser", ".html", html_format.write,
                   html_format.check, DTYPES),
    "zip": Format("one file that load_run and all commands read, without the text", ".zip", zip_format.write,
                  zip_format.check),
}


def export(run: Any, kind: str, path: Any, dtype: str = "float32") -> Tuple[Tuple[Path, ...], Compared]:
    """Write the model of a run for another program, and check that this computes the same.

    Parameters
    ----------
    run : Run
        What `gluon_deeprnn.load_run` returned.
    kind : {"torch", "safetensors", "onnx", "symbol", "html", "zip"}
        The format.
    path : str or path
        The file; for ``torch`` it ends in ``.py``, and the parameters are beside it; for ``symbol`` what the names
        of the files begin with.
    dtype : {"float32", "float16", "int8"}, default "float32"
        The numbers of the formats html (all three) and onnx (float32 and int8).  The page and the metadata say how
        many bits per character rounding costs on a passage of the text.

    Returns
    -------
    files, compared
        The files that were written, and the largest difference of a logit or a state on a passage of the run's text,
        run by the other program; None if that is not installed.

    Raises
    ------
    ValueError
        For another format or ending, a model that the format does not have, a package that is not installed, and if
        the other program computes something else.

    Examples
    --------
    >>> from gluon_deeprnn.export import FORMATS
    >>> list(FORMATS)
    ['torch', 'safetensors', 'onnx', 'symbol', 'html', 'zip']
    """
    chosen, path = FORMATS[_checks.one_of("format", kind, FORMATS)], Path(path)
    if chosen.ending and path.suffix != chosen.ending:
        raise InputError("out", f"a file that ends in {chosen.ending}", str(path))
    if _checks.one_of("dtype", dtype, DTYPES) not in chosen.dtypes:
        raise InputError("dtype", f"{' or '.join(chosen.dtypes)} for format {kind}", dtype)
    files = chosen.write(run, path, dtype) if len(chosen.dtypes) > 1 else chosen.write(run, path)
    return files, chosen.check(run, path)
