"""MXNet has the private names that the package uses, and no other file of the package uses private names."""

import ast
from pathlib import Path

import gluon_deeprnn
from gluon_deeprnn import mxnet_private
import mxnet
from mxnet import gluon, np
import pytest

PACKAGE = Path(gluon_deeprnn.__file__).parent


def a_parameter():
    made = gluon.Parameter("weight", shape=(2,))
    made.initialize()
    return made


PRIVATE = {
    "gluon.HybridBlock": (lambda: gluon.nn.Dense(2, in_units=3), (
        "_children", "_reg_params", "_active", "_flags", "_cached_graph", "_cached_op", "_in_format", "_out_format",
        "_call_cached_op", "_get_graph", "_clear_cached_op", "_collect_params_with_prefix")),
    "gluon.Parameter": (lambda: gluon.Parameter("weight", shape=(2,)), (
        "_data", "_deferred_init", "_finish_deferred_init", "_var", "_load_init")),
    "np.ndarray": (lambda: np.zeros(2), ("_fresh_grad",)),
    "optimizer.Optimizer": (lambda: mxnet.optimizer.create("sgd"), ("_index_update_count",)),
    "util._NumpyArrayScope": (lambda: mxnet.util._NumpyArrayScope(True), ("_current", "_is_np_array", "_old_scope")),
}


@pytest.mark.parametrize("name", PRIVATE)
def test_mxnet_has_the_private_names_that_the_package_relies_on(name):
    make, names = PRIVATE[name]
    thing = make()
    if name == "np.ndarray":
        thing.attach_grad()
    assert [each for each in names if not hasattr(thing, each)] == []


def test_no_other_file_of_the_package_uses_private_names_of_mxnet():
    theirs = {name for _, names in PRIVATE.values() for name in names} | {"_LIB", "_flatten", "_regroup"}
    used, files = [], [file for file in PACKAGE.rglob("*.py") if file.name != "mxnet_private.py"]
    assert len(files) > 50
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in theirs:
                used.append((file.name, node.attr))
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mxnet":
                used += [(file.name, alias.name) for alias in node.names if alias.name.startswith("_")]
    assert used == []


def test_a_block_of_gluon_is_compiled_and_interpreted_without_losing_its_graph():
    block = gluon.nn.Dense(2, in_units=3)
    block.initialize()
    block.hybridize()
    x = np.ones((1, 3))
    first = block(x)
    mxnet_private.set_hybridized(block, False)
    assert not mxnet_private.is_hybridized(block)
    mxnet_private.set_hybridized(block, True)
    assert (block(x) == first).all()
