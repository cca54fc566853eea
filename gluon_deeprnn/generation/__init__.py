"""Text generation: continuing a text by sampling or beam search, and what is copied from the training text."""

from gluon_deeprnn.generation.continuation import Continuation as Continuation
from gluon_deeprnn.generation.copies import RunLimit as RunLimit
from gluon_deeprnn.generation.copies import TrainingText as TrainingText
from gluon_deeprnn.generation.sampling import generate as generate
from gluon_deeprnn.generation.sampling import generate_many as generate_many
