"""List the recipes with their measured results."""

import argparse
from typing import Any, Mapping

from gluon_deeprnn.runs.recipes import read_recipe, recipe_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: this command has none."""


def run(arguments: argparse.Namespace) -> None:
    """Print a paragraph for each recipe."""
    for name in recipe_names():
        recipe = read_recipe(name)
        measured = recipe.measured
        print(f"{name}: {recipe.about}\n"
              f"  perplexity {measured['train_ppl']:.2f} training, {measured['val_ppl']:.2f} validation (best "
              f"{measured['best_val_ppl']:.2f}) after "
              f"{measured['epochs']} epochs; {measured['seconds']} s on {measured['machine']}\n"
              f"{_bits(measured)}"
              f"  {measured['command']}")


def _bits(measured: Mapping[str, Any]) -> str:
    """A line with the bits per character of the test data, for recipes where they are measured."""
    bits = measured.get("bits_per_character", {})
    listed = ", ".join(f"{value:.3f} {how.replace('_', ' ')}" for how, value in bits.items())
    return f"  bits per character of the test data: {listed}\n" if bits else ""
