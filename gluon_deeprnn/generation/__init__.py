"""Generation: a prefix in, text out."""

from gluon_deeprnn.generation.sampling import generate as generate
from gluon_deeprnn.generation.sampling import generate_many as generate_many
