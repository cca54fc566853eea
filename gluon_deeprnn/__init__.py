"""Deep recurrent networks in MXNet Gluon: the D2L chapter as software.

The architecture is described in ``docs/architecture.md``.
"""

from gluon_deeprnn import runtime as runtime  # isort: skip  (must come before anything that imports mxnet)

from gluon_deeprnn.data import TextData as TextData
from gluon_deeprnn.data import TimeMachine as TimeMachine
from gluon_deeprnn.data import Vocab as Vocab
from gluon_deeprnn.devices import try_gpu as try_gpu
from gluon_deeprnn.evaluation import evaluate as evaluate
from gluon_deeprnn.generation import generate as generate
from gluon_deeprnn.models import GRU as GRU
from gluon_deeprnn.models import LSTM as LSTM
from gluon_deeprnn.models import RNN as RNN
from gluon_deeprnn.models import RNNLM as RNNLM
from gluon_deeprnn.models import RNNLMScratch as RNNLMScratch
from gluon_deeprnn.models import StackedRNNScratch as StackedRNNScratch
from gluon_deeprnn.runs import load_run as load_run
from gluon_deeprnn.training import Trainer as Trainer
from gluon_deeprnn.version import __version__ as __version__
