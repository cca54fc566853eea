"""Evaluation: loss and perplexity of a model on a text."""

from gluon_deeprnn.evaluation.perplexity import Evaluation as Evaluation
from gluon_deeprnn.evaluation.perplexity import MeanLoss as MeanLoss
from gluon_deeprnn.evaluation.perplexity import evaluate as evaluate
from gluon_deeprnn.evaluation.perplexity import on_device as on_device
from gluon_deeprnn.evaluation.perplexity import perplexity as perplexity
from gluon_deeprnn.evaluation.perplexity import total_nll as total_nll
