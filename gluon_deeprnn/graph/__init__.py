"""Blocks that are compiled into static graphs, and operations for them."""

from gluon_deeprnn.graph.arrays import device_of as device_of
from gluon_deeprnn.graph.arrays import given_array as given_array
from gluon_deeprnn.graph.arrays import is_array as is_array
from gluon_deeprnn.graph.block import GraphBlock as GraphBlock
from gluon_deeprnn.graph.nodes import as_int32 as as_int32
from gluon_deeprnn.graph.nodes import node_of as node_of
from gluon_deeprnn.graph.parameters import context_of as context_of
from gluon_deeprnn.graph.parameters import named_parameters as named_parameters
from gluon_deeprnn.graph.sequences import all_of_length as all_of_length
from gluon_deeprnn.graph.sequences import length as length
from gluon_deeprnn.graph.sequences import scan as scan
from gluon_deeprnn.graph.sequences import split as split
from gluon_deeprnn.graph.sequences import unstack as unstack
from gluon_deeprnn.graph.sequences import zeros_like_batch as zeros_like_batch
from gluon_deeprnn.graph.threads import one_at_a_time as one_at_a_time
