"""Command-line options shared by the examples."""

import argparse
from pathlib import Path


def parse(doc: str, epochs: int) -> argparse.Namespace:
    """Parse ``--epochs``, the number of training epochs, and ``--out``, the folder for pictures."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=epochs, help=f"training epochs (default {epochs})")
    parser.add_argument("--out", type=Path, default=Path("runs/examples"), help="folder for pictures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options
