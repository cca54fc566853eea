"""The book's names: ``from gluon_deeprnn import d2l`` stands where the book says ``from d2l import mxnet as d2l``.

Everything here adapts the rest of the package to the book's ways: batch first, plain ``forward`` methods, parameters as
bare arrays, layers in lists, curves while a model is trained.
"""

from gluon_deeprnn.d2l.alias import register as register
from gluon_deeprnn.d2l.arrays import *  # noqa: F403
from gluon_deeprnn.d2l.module import SGD as SGD
from gluon_deeprnn.d2l.module import Classifier as Classifier
from gluon_deeprnn.d2l.module import DataModule as DataModule
from gluon_deeprnn.d2l.module import Module as Module
from gluon_deeprnn.d2l.oop import HyperParameters as HyperParameters
from gluon_deeprnn.d2l.oop import ProgressBoard as ProgressBoard
from gluon_deeprnn.d2l.oop import add_to_class as add_to_class
from gluon_deeprnn.d2l.oop import check_len as check_len
from gluon_deeprnn.d2l.oop import check_shape as check_shape
from gluon_deeprnn.d2l.rnn import GRU as GRU
from gluon_deeprnn.d2l.rnn import RNN as RNN
from gluon_deeprnn.d2l.rnn import RNNLM as RNNLM
from gluon_deeprnn.d2l.rnn import RNNLMScratch as RNNLMScratch
from gluon_deeprnn.d2l.rnn import RNNScratch as RNNScratch
from gluon_deeprnn.d2l.rnn import StackedRNNScratch as StackedRNNScratch
from gluon_deeprnn.d2l.text import TimeMachine as TimeMachine
from gluon_deeprnn.d2l.text import Vocab as Vocab
from gluon_deeprnn.d2l.trainer import Trainer as Trainer
from gluon_deeprnn.devices import num_gpus as num_gpus
from gluon_deeprnn.devices import try_all_gpus as try_all_gpus
from gluon_deeprnn.devices import try_gpu as try_gpu
from mxnet import cpu as cpu
from mxnet import gpu as gpu
