"""One training step of wide and of deep networks, and the memory it takes: python -m benchmarks.width [WIDTH DEPTH].

Without arguments it measures the extremes of the chapter, 2056 hidden units in 2 layers and 64 in 8, each in a process
of its own, since memory that was once used is not given back.
"""

import json
import resource
import subprocess
import sys

EXTREMES = ((2056, 2), (64, 8))
VOCAB_SIZE, BATCH_SIZE, NUM_STEPS = 28, 32, 32


def peak_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(num_hiddens: int, num_layers: int) -> None:
    """Train one GRU for one step and print what it took, as JSON."""
    from gluon_deeprnn import GRU, RNNLM, Trainer
    from gluon_deeprnn.data.windows import Windows
    import numpy

    class Data:
        """One batch of noise for training, one for validation."""

        vocab = range(VOCAB_SIZE)

        def train_dataloader(self) -> Windows:
            """BATCH_SIZE windows."""
            tokens = numpy.random.default_rng(0).integers(0, VOCAB_SIZE, 2 * BATCH_SIZE + NUM_STEPS, dtype="int32")
            return Windows(tokens, 0, BATCH_SIZE, batch_size=BATCH_SIZE, num_steps=NUM_STEPS)

        val_dataloader = train_dataloader

    before = peak_mb()
    model = RNNLM(GRU(num_hiddens, num_layers), VOCAB_SIZE, lr=0.1)
    history = Trainer(2, gradient_clip_val=1, progress=False).fit(model, Data())  # in the first, graphs are compiled
    parameters = sum(parameter.data().size for _, parameter in model.named_parameters())
    print(json.dumps({"num_hiddens": num_hiddens, "num_layers": num_layers, "parameters": int(parameters),
                      "seconds": history[1]["seconds"], "megabytes": peak_mb() - before,
                      "parameter_megabytes": parameters * 4 / 2**20, "train_ppl": history[0]["train_ppl"]}))


def main() -> None:
    """Measure what is asked for, or the extremes as a table."""
    if len(sys.argv) == 3:
        measure(int(sys.argv[1]), int(sys.argv[2]))
        return
    print(f"one step on {BATCH_SIZE} sequences of {NUM_STEPS} tokens, and a validation of one batch\n")
    print("| hidden units | layers | parameters | MB in parameters | MB in all | seconds |")
    print("|---|---|---|---|---|---|")
    for width, depth in EXTREMES:
        line = subprocess.run([sys.executable, "-m", "benchmarks.width", str(width), str(depth)], check=True,
                              capture_output=True, text=True).stdout
        m = json.loads(line)
        print(f"| {width} | {depth} | {m['parameters']:,} | {m['parameter_megabytes']:.1f} | {m['megabytes']:.0f} "
              f"| {m['seconds']:.2f} |")


if __name__ == "__main__":
    main()
