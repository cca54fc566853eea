"""A compatibility layer for the book: ``from gluon_deeprnn import d2l`` replaces ``from d2l import mxnet as d2l``.

It adapts this package to the interfaces of *Dive into Deep Learning*: models are batch first, with plain ``forward``
methods, parameters as bare arrays and layers in lists; `Trainer` draws curves.
"""

from gluon_deeprnn.d2l.alias import register as register
from gluon_deeprnn.d2l.arrays import *  # noqa: F403
from gluon_deeprnn.d2l.board import ProgressBoard as ProgressBoard
from gluon_deeprnn.d2l.classifier import Classifier as Classifier
from gluon_deeprnn.d2l.datamodule import DataModule as DataModule
from gluon_deeprnn.d2l.download import DATA_HUB as DATA_HUB
from gluon_deeprnn.d2l.download import DATA_URL as DATA_URL
from gluon_deeprnn.d2l.download import download as download
from gluon_deeprnn.d2l.figures import plot as plot
from gluon_deeprnn.d2l.figures import set_axes as set_axes
from gluon_deeprnn.d2l.figures import set_figsize as set_figsize
from gluon_deeprnn.d2l.figures import use_svg_display as use_svg_display
from gluon_deeprnn.d2l.language_model import RNNLM as RNNLM
from gluon_deeprnn.d2l.language_model import RNNLMScratch as RNNLMScratch
from gluon_deeprnn.d2l.linear import LinearRegression as LinearRegression
from gluon_deeprnn.d2l.module import Module as Module
from gluon_deeprnn.d2l.oop import HyperParameters as HyperParameters
from gluon_deeprnn.d2l.oop import add_to_class as add_to_class
from gluon_deeprnn.d2l.oop import check_len as check_len
from gluon_deeprnn.d2l.oop import check_shape as check_shape
from gluon_deeprnn.d2l.rnn import GRU as GRU
from gluon_deeprnn.d2l.rnn import LSTM as LSTM
from gluon_deeprnn.d2l.rnn import RNN as RNN
from gluon_deeprnn.d2l.rnn import RNNScratch as RNNScratch
from gluon_deeprnn.d2l.rnn import StackedRNNScratch as StackedRNNScratch
from gluon_deeprnn.d2l.sgd import SGD as SGD
from gluon_deeprnn.d2l.text import TimeMachine as TimeMachine
from gluon_deeprnn.d2l.text import Vocab as Vocab
from gluon_deeprnn.d2l.timer import Timer as Timer
from gluon_deeprnn.d2l.trainer import Trainer as Trainer
from gluon_deeprnn.devices import num_gpus as num_gpus
from gluon_deeprnn.devices import try_all_gpus as try_all_gpus
from gluon_deeprnn.devices import try_gpu as try_gpu
from mxnet import cpu as cpu
from mxnet import gpu as gpu
