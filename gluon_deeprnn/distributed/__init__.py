"""Training in several processes, on one or more machines, over MXNet's key-value store (ps-lite).

`gluon_deeprnn.distributed.workers` is what a training knows of the other workers.  The other modules start the
processes and watch them, without MXNet: a process of ps-lite whose peer has died waits forever.
"""

from gluon_deeprnn.distributed.workers import ALONE as ALONE
from gluon_deeprnn.distributed.workers import Workers as Workers
from gluon_deeprnn.distributed.workers import joined as joined
