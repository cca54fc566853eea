"""Training: moves the weights."""

from gluon_deeprnn.training.trainer import Callback as Callback
from gluon_deeprnn.training.trainer import Diverged as Diverged
from gluon_deeprnn.training.trainer import Trainer as Trainer
