"""Evaluation: loss and perplexity of a model on a text; the surprisal of its tokens, words and lines."""

from gluon_deeprnn.evaluation.perplexity import Evaluation as Evaluation
from gluon_deeprnn.evaluation.perplexity import MeanLoss as MeanLoss
from gluon_deeprnn.evaluation.perplexity import evaluate as evaluate
from gluon_deeprnn.evaluation.perplexity import on_device as on_device
from gluon_deeprnn.evaluation.perplexity import perplexity as perplexity
from gluon_deeprnn.evaluation.perplexity import total_nll as total_nll
from gluon_deeprnn.evaluation.references import ReferencePerplexities as ReferencePerplexities
from gluon_deeprnn.evaluation.references import references as references
from gluon_deeprnn.evaluation.scored import Piece as Piece
from gluon_deeprnn.evaluation.scored import ScoredText as ScoredText
from gluon_deeprnn.evaluation.scored import joined as joined
from gluon_deeprnn.evaluation.surprisal import score as score
from gluon_deeprnn.evaluation.surprisal import score_texts as score_texts
from gluon_deeprnn.evaluation.units import Activities as Activities
from gluon_deeprnn.evaluation.units import FollowedFeature as FollowedFeature
from gluon_deeprnn.evaluation.units import activities as activities
from gluon_deeprnn.evaluation.units import correlations as correlations
from gluon_deeprnn.evaluation.units import followed_features as followed_features
