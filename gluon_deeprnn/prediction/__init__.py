"""Prediction of a text token by token: networks, n-grams and mixtures, and the code that proves their numbers."""

from gluon_deeprnn.prediction.dynamic import DynamicPredictor, gradient_statistics
from gluon_deeprnn.prediction.mixture import LearnedMixture, Mixture
from gluon_deeprnn.prediction.network import NetworkPredictor
from gluon_deeprnn.prediction.ngrams import NGrams
from gluon_deeprnn.prediction.predictor import Predictor, log_probs_of

__all__ = ["DynamicPredictor", "LearnedMixture", "Mixture", "NGrams", "NetworkPredictor", "Predictor",
           "gradient_statistics", "log_probs_of"]
