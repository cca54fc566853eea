"""What a value of a graph is computed by, so that a faster operator can be put in its place."""

import json
from typing import Any, Dict, List, NamedTuple

import numpy


class Node(NamedTuple):
    """An operator of a graph.

    Attributes
    ----------
    operator : str
        Its name in MXNet.
    attributes : dict of str to str
    inputs : list of Symbol
    """

    operator: str
    attributes: Dict[str, str]
    inputs: List[Any]


def node_of(x: Any) -> Node:
    """The operator that computes the symbol ``x``; for an input of the graph its name is "null"."""
    graph = json.loads(x.tojson())
    index, _, _ = graph["heads"][0]
    found = graph["nodes"][index]
    below = x.get_children()
    inputs = [] if below is None else [one.as_np_ndarray() for one in below]
    return Node(found["op"], found.get("attrs", {}), inputs)


def as_int32(x: Any) -> Any:
    """The symbol ``x`` as integers of 32 bits; itself, if it is known to be such."""
    known = x.infer_type_partial()[1]
    return x if known and known[0] is not None and numpy.dtype(known[0]) == "int32" else x.astype("int32")
