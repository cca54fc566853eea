"""How far exported models are from ours, and imported ones from what was exported: python -m benchmarks.differences.

Models of all kinds, with random parameters, are written in every format, and run by the other program: torch,
onnxruntime, MXNet's SymbolBlock, Chromium.  The table has the largest difference of a score or of a state on 300
tokens; "-" where a format does not have the cell.  "import" is the difference of a model that was exported as
safetensors and imported again.
"""

from pathlib import Path
import tempfile
import types
from typing import Any, Callable, Dict

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab, load_run
from gluon_deeprnn.errors import UnsupportedCellError
from gluon_deeprnn.export import FORMATS
from gluon_deeprnn.export.checking import columns, compared, ours
from gluon_deeprnn.importing import import_model
import mxnet
from mxnet import np
import numpy

VOCAB = Vocab("the time machine, by h. g. wells")
V, H, STEPS = len(VOCAB), 32, 300
KIT = {"layer_norm": True, "residual": True, "learned_state": True, "skip": True}


def scratch(cell: str, layers: int, **options: Any) -> RNNLMScratch:
    """A model from scratch."""
    return RNNLMScratch(StackedRNNScratch(V, H, layers, cell=cell, **options), V)


MODELS: Dict[str, Callable[[], Any]] = {
    **{f"{cell}, {layers} layer{'s' * (layers > 1)}": lambda kind=kind, layers=layers: RNNLM(kind(H, layers), V)
       for cell, kind in (("tanh RNN", RNN), ("LSTM", LSTM), ("GRU", GRU)) for layers in (1, 2, 8)},
    **{f"{cell} from scratch, {layers} layer{'s' * (layers > 1)}":
       lambda cell=cell, layers=layers: scratch(cell, layers)
       for cell in ("rnn", "lstm", "gru") for layers in (1, 2, 8)},
    "GRU in the book's form, 2 layers": lambda: scratch("gru", 2, reset="before"),
    "MGU, 2 layers": lambda: scratch("mgu", 2),
    "LSTM, 2 layers, embedding of 16": lambda: RNNLM(LSTM(H, 2), V, embedding=16),
    "GRU, 2 layers, tied embedding": lambda: RNNLM(GRU(H, 2), V, embedding=H, tied=True),
    "relu RNN, 3 layers, residual, normalised, skip, learned state":
        lambda: RNNLM(RNN(H, 3, activation="relu", **KIT), V),
    "LSTM, 3 layers, residual, normalised, skip, learned state": lambda: RNNLM(LSTM(H, 3, **KIT), V, embedding=16),
    "GRU, 3 layers, residual, normalised, skip, learned state": lambda: RNNLM(GRU(H, 3, **KIT), V)}


class Run:
    """What an export needs of a run."""

    def __init__(self, model: Any) -> None:
        self.model, self.vocab, self.title = model, VOCAB, "a model"
        self.config = types.SimpleNamespace(prefix="the", records="none")
        self.folder = types.SimpleNamespace(path=Path("none"))

    def data(self) -> Any:
        """There is no text."""
        draw = numpy.random.default_rng(1).integers(0, V, STEPS).astype("int32")
        return types.SimpleNamespace(held_out=lambda: ("test", None, 1.0), indices=lambda part: draw)


def drawn(make: Callable[[], Any]) -> Any:
    """A model with random parameters: Xavier's scale, and biases, states and norms moved."""
    mxnet.random.seed(1)
    model, draw = make(), numpy.random.default_rng(2)
    model(np.zeros((1, 1), dtype="int32"))
    for _, parameter in model.named_parameters():
        parameter.set_data(np.array(parameter.data().asnumpy() + draw.normal(0, 0.1, parameter.shape), dtype="float32"))
    return model


def row(run: Run, folder: Path) -> Dict[str, str]:
    """The difference by format."""
    found = {}
    for name in ("torch", "onnx", "symbol", "html"):
        path = folder / f"{name}{FORMATS[name].ending}"
        try:
            FORMATS[name].write(run, path)
            largest = FORMATS[name].check(run, path).largest
            found[name] = "not installed" if largest is None else f"{largest:.1e}"
        except UnsupportedCellError:
            found[name] = "-"
    found["import"] = "-"
    if found["torch"] != "-":
        import_model("torch", [folder / "torch.safetensors"], folder / "run")
        tokens = columns(run.data().indices("test"))
        back = ours(load_run(folder / "run").model, tokens)
        found["import"] = f"{compared(ours(run.model, tokens), back, 'import').largest:.1e}"
    return found


def main() -> None:
    """Print the table."""
    print("| model | torch | onnxruntime | MXNet alone | browser | import |\n|---|---|---|---|---|---|")
    for name, make in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            print(f"| {name} | {' | '.join(row(Run(drawn(make)), Path(folder)).values())} |", flush=True)


if __name__ == "__main__":
    main()
