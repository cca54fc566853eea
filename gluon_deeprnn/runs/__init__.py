"""Runs: trained models in folders, with their settings and results."""

from gluon_deeprnn.runs.config import RunConfig as RunConfig
from gluon_deeprnn.runs.folder import RunFolder as RunFolder
from gluon_deeprnn.runs.recipes import Recipe as Recipe
from gluon_deeprnn.runs.recipes import read_recipe as read_recipe
from gluon_deeprnn.runs.recipes import recipe_names as recipe_names
from gluon_deeprnn.runs.run import Run as Run
from gluon_deeprnn.runs.run import load_run as load_run
