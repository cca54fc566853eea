"""Data: from text to batches of token indices."""

from gluon_deeprnn.data.apart import Apart as Apart
from gluon_deeprnn.data.bptt import Stream as Stream
from gluon_deeprnn.data.buckets import Records as Records
from gluon_deeprnn.data.cleaning import clean as clean
from gluon_deeprnn.data.corpora import CORPORA as CORPORA
from gluon_deeprnn.data.corpora import corpus as corpus
from gluon_deeprnn.data.corpora import default_corpus as default_corpus
from gluon_deeprnn.data.files import read_texts as read_texts
from gluon_deeprnn.data.mixed_streams import MixedStreams as MixedStreams
from gluon_deeprnn.data.source import Source as Source
from gluon_deeprnn.data.text_data import BatchSource as BatchSource
from gluon_deeprnn.data.text_data import TextData as TextData
from gluon_deeprnn.data.time_machine import TimeMachine as TimeMachine
from gluon_deeprnn.data.tokenizers import tokenize as tokenize
from gluon_deeprnn.data.vocab import Vocab as Vocab
from gluon_deeprnn.data.windows import Windows as Windows
