"""Training of language models."""

from gluon_deeprnn.training.callback import Callback as Callback
from gluon_deeprnn.training.callback import Training as Training
from gluon_deeprnn.training.history import check_history as check_history
from gluon_deeprnn.training.trainer import Trainer as Trainer
