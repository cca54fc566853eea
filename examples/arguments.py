"""What every example can be told on the command line."""

import argparse
from pathlib import Path


def parse(doc: str, epochs: int) -> argparse.Namespace:
    """``--epochs``, to train for longer or shorter, and ``--out``, where pictures go."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=epochs, help=f"passes over the text (default {epochs})")
    parser.add_argument("--out", type=Path, default=Path("runs/examples"), help="where pictures go")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options
