import io

from gluon_deeprnn.training.progress import Progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def test_progress_is_a_line_per_epoch_without_a_terminal():
    stream = io.StringIO()
    shown = Progress(3, 10, stream=stream)
    shown.at(0, 1)
    shown.epoch(1, "perplexity 9.12 training")
    shown.close()
    assert stream.getvalue() == "epoch 1/3: perplexity 9.12 training\n"


def test_progress_is_a_bar_on_a_terminal():
    stream = Terminal()
    shown = Progress(3, 10, stream=stream)
    shown.at(0, 1)
    shown.epoch(1, "perplexity 9.12 training")
    shown.close()
    assert "epoch 1/3" in stream.getvalue()
    assert "perplexity 9.12 training" in stream.getvalue()
    assert "\n" not in stream.getvalue().rstrip("\n")
