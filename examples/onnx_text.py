"""Writes text by a model that ``gluon-deeprnn export --format onnx`` wrote, with onnxruntime and NumPy alone.

python examples/onnx_text.py mine.onnx "It was" 200
"""

import json
import sys

import numpy
import onnxruntime

path, prefix, length = sys.argv[1], sys.argv[2], int(sys.argv[3])
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
about, first = json.loads(metadata["gluon_deeprnn"]), json.loads(metadata["first_state"])
if about["kind"] != "char":
    raise SystemExit("this example is for models of characters")

state = numpy.array(first, "float32").reshape(-1, len(about["layers"]), 1, about["num_hiddens"])
draw = numpy.random.default_rng(0)
tokens = [about["tokens"].index(character) for character in prefix]
print(prefix, end="")
for _ in range(length):
    logits, state = session.run(None, {"tokens": numpy.array(tokens, "int32")[:, None], "state": state})
    scores = logits[-1, 0] / 0.7  # the temperature
    scores[about["special"]] = -numpy.inf
    tokens = [int((scores + draw.gumbel(size=len(scores))).argmax())]
    print(about["tokens"][tokens[0]], end="", flush=True)
print()
