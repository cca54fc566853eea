"""Write parameters.json again: python tests/golden/write.py (in the root folder of the repository)."""

import json
from pathlib import Path
import sys

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[0] / "models"))

from gluon_deeprnn.models.weights import parameter_arrays  # noqa: E402
from test_language_model import MODELS  # noqa: E402

arrays = {name: parameter_arrays(make()) for name, make in MODELS.items()}
shapes = {name: {key: list(array.shape) for key, array in named.items()} for name, named in arrays.items()}
(HERE / "parameters.json").write_text(json.dumps(shapes, indent=1) + "\n")
