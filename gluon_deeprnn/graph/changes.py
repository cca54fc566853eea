"""Detects whether the objects from which a graph was compiled have changed."""

from collections import OrderedDict
import operator
from typing import Any, Collection, List

from gluon_deeprnn import mxnet_private


class Parts:
    """The objects that a graph of a block depends on: its descendants, their parameters and their attributes.

    Parameters
    ----------
    block : mxnet.gluon.Block, optional
        The block; None for an empty collection.
    without : collection of str
        Attributes that graphs do not depend on.
    """

    def __init__(self, block: Any = None, without: Collection[str] = ()) -> None:
        self._members: List[Any] = []
        if block is not None:
            self._collect(block, without)

    def _collect(self, block: Any, without: Collection[str]) -> None:
        members = self._members
        members.append(block)
        for name, value in vars(block).items():
            if name not in without:
                kind = type(value)
                if kind is dict or kind is OrderedDict:
                    members.extend(value.values())
                elif kind is list or kind is tuple:
                    members.extend(value)
                else:
                    members.append(value)
        for child in mxnet_private.children(block).values():
            self._collect(child, without)

    def are(self, other: "Parts") -> bool:
        """Whether both consist of the same objects.  References to them are kept, so that no ``id`` is reused."""
        return len(self._members) == len(other._members) and all(map(operator.is_, self._members, other._members))
