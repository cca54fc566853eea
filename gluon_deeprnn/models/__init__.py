"""Models: from token indices to logits of the next token."""

from gluon_deeprnn.models.conversion import as_fused as as_fused
from gluon_deeprnn.models.conversion import as_scratch as as_scratch
from gluon_deeprnn.models.core import RecurrentCore as RecurrentCore
from gluon_deeprnn.models.fused import GRU as GRU
from gluon_deeprnn.models.fused import LSTM as LSTM
from gluon_deeprnn.models.fused import RNN as RNN
from gluon_deeprnn.models.language_model import RNNLM as RNNLM
from gluon_deeprnn.models.language_model import RNNLMScratch as RNNLMScratch
from gluon_deeprnn.models.scratch import StackedRNNScratch as StackedRNNScratch
from gluon_deeprnn.models.stack import RecurrentStack as RecurrentStack
