"""Figures: learning curves, gradients by layer and time step, the architecture."""

from gluon_deeprnn.plotting.architecture import plot_architecture as plot_architecture
from gluon_deeprnn.plotting.comparison import plot_runs as plot_runs
from gluon_deeprnn.plotting.curves import plot_history as plot_history
from gluon_deeprnn.plotting.gradients import plot_gradient_flow as plot_gradient_flow
from gluon_deeprnn.plotting.gradients import plot_gradient_norms as plot_gradient_norms
from gluon_deeprnn.plotting.page import surprisal_page as surprisal_page
from gluon_deeprnn.plotting.reading import plot_reading as plot_reading
from gluon_deeprnn.plotting.surprisal import plot_surprisal as plot_surprisal
from gluon_deeprnn.plotting.units import plot_units as plot_units
