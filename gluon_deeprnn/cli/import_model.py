"""Make a run folder of a model that torch, D2L, MXNet or gluonnlp stored."""

import argparse
from typing import Dict, Sequence

from gluon_deeprnn.data.cleaning import CLEANINGS
from gluon_deeprnn.data.tokenizers import TOKENIZERS
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.importing import ACTIVATIONS, FORMATS, import_model
from gluon_deeprnn.runs.run import load_run

EXAMPLES = """\
examples:
  gluon-deeprnn import --format torch mine.safetensors --out runs/mine           what export wrote
  gluon-deeprnn import --format torch tuned.pt --like runs/mine --out runs/tuned
  gluon-deeprnn import --format torch d2l.pt --vocab vocab.json --cleaning d2l --out runs/d2l
  gluon-deeprnn import --format mxnet old-0010.params old-symbol.json --vocab vocab.json --out runs/old
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("files", metavar="FILE", nargs="+", help="the file of parameters, and a graph of MXNet")
    parser.add_argument("--format", metavar="NAME", dest="kind", required=True,
                        help="; ".join(f"{name}: {about}" for name, about in FORMATS.items()))
    parser.add_argument("--out", metavar="DIR", required=True, help="the run folder to write")
    parser.add_argument("--vocab", metavar="FILE", help="the tokens by index, in JSON: a list, a mapping of tokens to "
                                                        "indices, or a vocabulary of gluonnlp or of a run")
    parser.add_argument("--like", metavar="DIR", help="a run whose vocabulary, residual connections and "
                                                       "activation it has")
    parser.add_argument("--tokens", metavar="KIND", help=f"how texts become tokens: {', '.join(TOKENIZERS)} (default: "
                                                         "what the tokens look like)")
    parser.add_argument("--cleaning", metavar="NAME", help=f"how texts are cleaned: {', '.join(CLEANINGS)} "
                                                           "(default: they are not)")
    parser.add_argument("--unknown", metavar="TOKEN", help="the token for unknown ones (default <unk>)")
    parser.add_argument("--activation", metavar="NAME", help=f"of a plain RNN: {', '.join(ACTIVATIONS)} (default: "
                                                             "what the graph or the run says, or tanh)")
    parser.add_argument("--name", metavar="THEIRS=PART", action="append", default=[],
                        help="what an array is whose name is not understood: output, bias, embedding, or a part of a "
                             "layer such as layer0.i2h_weight; nothing after = leaves it out")


def _pairs(given: Sequence[str]) -> Dict[str, str]:
    found = {}
    for each in given:
        theirs, equals, part = each.rpartition("=")
        if not equals or not theirs:
            raise InputError("name", "THEIRS=PART", each)
        found[theirs] = part
    return found


def run(arguments: argparse.Namespace) -> None:
    """Write the run folder, and print which arrays became which parts of the model."""
    done = import_model(arguments.kind, arguments.files, arguments.out, vocab=arguments.vocab,
                        like=load_run(arguments.like) if arguments.like else None, tokens=arguments.tokens,
                        cleaning=arguments.cleaning, unknown=arguments.unknown, activation=arguments.activation,
                        name=_pairs(arguments.name))
    width = max(map(len, done.names))
    for part, names in done.names.items():
        print(f"{part:{width}}  {', '.join(names)}")
    if done.left_out:
        print(f"left out: {', '.join(done.left_out)}")
    trained = load_run(arguments.out)
    config = trained.config
    extras = [name.replace("_", " ") for name in ("tied", "skip", "residual", "layer_norm", "learned_state")
              if getattr(config, name)]
    inputs = f"an embedding of {config.embedding}" if config.embedding else "one-hot inputs"
    print(f"{trained.title}: {', '.join([inputs, *extras])}; {len(done.vocab)} tokens, kind {done.vocab.kind}, "
          f"cleaning {done.vocab.cleaning or 'none'}")
    if done.added_unknown:
        print("the vocabulary has no token for unknown ones; one was added, of a probability of about 2e-9")
    print(f"run folder: {arguments.out}")
