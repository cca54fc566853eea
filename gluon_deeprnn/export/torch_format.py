"""The formats torch, a program and its parameters, and safetensors, the parameters alone."""

import json
from pathlib import Path
from typing import Any, Tuple

from gluon_deeprnn import storage
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.export import checking
from gluon_deeprnn.export.named import description, torch_arrays
from gluon_deeprnn.models.interchange import weights_of

PROGRAM = Path(__file__).with_name("programs") / "torch_model.py"

_CHECK_PROGRAM = """
import importlib.util, sys, numpy, torch
tokens, found, program, parameters = sys.argv[1:]
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("exported", program)
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)
with torch.no_grad():
    logits, state = exported.load(parameters)(torch.from_numpy(numpy.load(tokens)).long())
numpy.savez(found, logits=logits.numpy(), state=state.numpy())
"""


def write_safetensors(run: Any, path: Path) -> Tuple[Path, ...]:
    """Write the parameters under the names of torch, with a description of the model in the metadata."""
    try:
        from safetensors.numpy import save
    except ImportError:
        raise InputError("safetensors", "installed for this format", None,
                         "pip install safetensors") from None
    weights = weights_of(run.model)
    about = json.dumps(description(weights, run.vocab), ensure_ascii=False)
    storage.replace_file(path, save(torch_arrays(weights), metadata={"format": "pt", "gluon_deeprnn": about}))
    return (path,)


def write_torch(run: Any, path: Path) -> Tuple[Path, ...]:
    """Write a program, ``path``, that reads the parameters from the file beside it."""
    parameters = path.with_suffix(".safetensors")
    write_safetensors(run, parameters)
    storage.replace_file(path, PROGRAM.read_bytes())
    return path, parameters


def check(run: Any, path: Path) -> checking.Compared:
    """Compare the scores of the exported model in torch with ours."""
    if absent := checking.missing(["torch", "safetensors"]):
        return checking.Compared(None, f"needs {' and '.join(absent)}: pip install {' '.join(absent)}")
    program = path if path.suffix == ".py" else PROGRAM
    return checking.compare(run.model, checking.passage_of(run), _CHECK_PROGRAM,
                            [str(program), str(path.with_suffix(".safetensors"))], "torch")
