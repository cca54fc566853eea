"""The two ways to compute the steps of generation."""

from gluon_deeprnn import kernels
from gluon_deeprnn.generation import steps
from gluon_deeprnn.generation.sampler import Sampler
from gluon_deeprnn.kernels.writing import Network
import pytest


@pytest.fixture(params=["plain", "graph"])
def calls(request, monkeypatch):
    """The numbers of steps of the calls that sample tokens: without MXNet, and by its graphs."""
    found = []
    if request.param == "graph":
        monkeypatch.setattr(steps, "plain_model", lambda model, ctx: None)
        call = Sampler.__call__
        monkeypatch.setattr(Sampler, "__call__", lambda block, token, state, noise, *others: (
            found.append(len(noise)) or call(block, token, state, noise, *others)))
    else:
        if kernels.loaded() is None:
            pytest.skip(f"needs the compiled library: {kernels.why_not()}")
        write = Network.write
        monkeypatch.setattr(Network, "write", lambda network, num_steps, *others: (
            found.append(num_steps) or write(network, num_steps, *others)))
    return found
