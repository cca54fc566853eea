"""List the recipes with their measured results."""

import argparse

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
              f"  {measured['command']}")
