"""Write the model of a run for another program, and check that it computes the same."""

import argparse

from gluon_deeprnn.export import FORMATS, export
from gluon_deeprnn.runs.run import load_run

EXAMPLES = """\
examples:
  gluon-deeprnn export --run runs/mine --format torch --out mine.py         mine.py and mine.safetensors
  gluon-deeprnn export --run runs/mine --format onnx --out mine.onnx
  gluon-deeprnn export --run runs/mine --format html --out mine.html        open it in a browser
  gluon-deeprnn export --run runs/mine --format zip --out mine.zip          then: generate --run mine.zip
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    listed = "; ".join(f"{name}: {each.about}" for name, each in FORMATS.items())
    parser.add_argument("--format", metavar="NAME", dest="kind", required=True, help=listed)
    parser.add_argument("--dtype", metavar="NAME", default="float32",
                        help="numbers: float32, or rounded ones, float16 (html) or int8 (html, onnx) (default float32)")
    parser.add_argument("--out", metavar="PATH", required=True,
                        help="the file; for symbol what the names of its files begin with")


def run(arguments: argparse.Namespace) -> None:
    """Write the files, print their paths, and how far their numbers are from ours."""
    files, compared = export(load_run(arguments.folder), arguments.kind, arguments.out, arguments.dtype)
    for file in files:
        print(file)
    if compared.largest is None:
        print(f"not checked: {compared.how}")
    else:
        print(f"checked with {compared.how}: largest difference of a score or a state {compared.largest:.1e}")
