"""Recipes: named settings with measured results, one TOML file each.

``chapter-gru`` explains every setting; each of the others names the recipe on which it is based, and its differences.
"""

import dataclasses
from importlib import resources
import sys
from typing import Any, List, Mapping

from gluon_deeprnn import _checks
from gluon_deeprnn.runs.config import RunConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A recipe.

    Attributes
    ----------
    name, about : str
        Its name and a description.
    config : RunConfig
        Its settings.
    measured : mapping
        The results of a run, with its command and machine.
    """

    name: str
    about: str
    config: RunConfig
    measured: Mapping[str, Any]


def recipe_names() -> List[str]:
    """The names of all recipes."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name[:-len(".toml")] for file in files if file.name.endswith(".toml"))


def read_recipe(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises
    ------
    ValueError
        For any other name; the message suggests a recipe with a similar name.

    Examples
    --------
    >>> from gluon_deeprnn.runs import read_recipe
    >>> read_recipe('chapter-gru').config.num_layers
    2
    """
    _checks.one_of("recipe", name, recipe_names())
    content = tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))
    begin = read_recipe(content["base"]).config if "base" in content else RunConfig()
    return Recipe(name, content["about"], begin.replace(**content["settings"]), content["measured"])
