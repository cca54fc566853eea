"""Text generation from a prefix."""

from gluon_deeprnn.generation.sampling import generate as generate
from gluon_deeprnn.generation.sampling import generate_many as generate_many
