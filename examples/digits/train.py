"""Train a small network on handwritten digits, and go on where an earlier attempt was stopped.

The data are the 1,797 digits of 8 x 8 pixels that scikit-learn bundles (UCI "Optical Recognition
of Handwritten Digits"). The network has one hidden layer and is plain numpy, so the whole training
can be read here. It needs nothing of Quarterdeck: outside of it, results go to ./results and
checkpoints to ./checkpoint, and its progress to nobody.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

try:
    from quarterdeck import job
except ImportError:
    job = None  # type: ignore[assignment]

Floats = NDArray[np.float64]
Parameters = dict[str, Floats]

BATCH_SIZE = 32
HIDDEN_UNITS = 64
MOMENTUM = 0.9


def load_split(seed: int) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Pixels between 0 and 1 and their digits; a quarter is held out for the test."""
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels / 16.0, digits, test_size=0.25, random_state=seed, stratify=digits
    )
    return train_x, test_x, train_y, test_y


def make_parameters(rng: np.random.Generator, inputs: int, outputs: int) -> Parameters:
    """Random weights with He et al.'s variance, and a resting velocity for each parameter."""
    shapes = {
        "w1": (inputs, HIDDEN_UNITS),
        "b1": (HIDDEN_UNITS,),
        "w2": (HIDDEN_UNITS, outputs),
        "b2": (outputs,),
    }
    parameters = {}
    for name, shape in shapes.items():
        spread = np.sqrt(2.0 / shape[0]) if len(shape) > 1 else 0.0
        parameters[name] = rng.normal(0.0, 1.0, shape) * spread
        parameters[f"velocity_{name}"] = np.zeros(shape)
    return parameters


def predict(parameters: Parameters, x: Floats) -> tuple[Floats, Floats]:
    """The hidden layer's activations and the probability of each digit."""
    hidden = np.maximum(x @ parameters["w1"] + parameters["b1"], 0.0)
    scores = hidden @ parameters["w2"] + parameters["b2"]
    scores -= scores.max(axis=1, keepdims=True)
    weights = np.exp(scores)
    return hidden, weights / weights.sum(axis=1, keepdims=True)


def learn_batch(parameters: Parameters, x: Floats, y: NDArray[np.int64], rate: float) -> float:
    """One step of gradient descent with momentum; returns the batch's mean loss before it."""
    rows = np.arange(len(y))
    hidden, chances = predict(parameters, x)
    loss = -float(np.log(chances[rows, y] + 1e-12).mean())
    blame = chances
    blame[rows, y] -= 1.0
    blame /= len(y)
    blame_hidden = (blame @ parameters["w2"].T) * (hidden > 0.0)
    slopes = {
        "w1": x.T @ blame_hidden,
        "b1": blame_hidden.sum(axis=0),
        "w2": hidden.T @ blame,
        "b2": blame.sum(axis=0),
    }
    for name, slope in slopes.items():
        velocity = MOMENTUM * parameters[f"velocity_{name}"] - rate * slope
        parameters[f"velocity_{name}"] = velocity
        parameters[name] = parameters[name] + velocity
    return loss


def save_checkpoint(path: Path, parameters: Parameters, epoch: int) -> None:
    """Written aside and renamed, so that a stop in the middle leaves the earlier one whole."""
    aside = path.with_suffix(".tmp")
    with aside.open("wb") as file:
        np.savez(file, epoch=np.array(epoch), **parameters)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def load_checkpoint(path: Path) -> tuple[Parameters, int]:
    """Everything needed to go on, and the number of the last finished epoch."""
    with np.load(path) as kept:
        parameters = {name: kept[name] for name in kept.files if name != "epoch"}
        return parameters, int(kept["epoch"])


def tell(epoch: int, epochs: int, **values: float) -> None:
    """For `qd top` and `qd metrics`; nothing where the module is not there."""
    if job is not None:
        job.progress(epoch, epochs)
        job.log(step=epoch, **values)


def draw_confusion(path: Path, truth: NDArray[np.int64], guess: NDArray[np.int64]) -> None:
    """A picture of which digit is taken for which."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    counts = np.zeros((10, 10), dtype=int)
    np.add.at(counts, (truth, guess), 1)
    figure, axes = plt.subplots(figsize=(5.0, 4.6), layout="constrained")
    axes.imshow(counts, cmap="Blues")
    for row, column in np.argwhere(counts):
        is_dark = counts[row, column] > counts.max() / 2
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center",
            color="white" if is_dark else "black", fontsize=8,
        )  # fmt: skip
    axes.set(
        xticks=range(10), yticks=range(10), xlabel="taken for", ylabel="is",
        title=f"{len(truth)} held-out digits, {np.trace(counts) / len(truth):.1%} right",
    )  # fmt: skip
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=float(os.environ.get("LR", "0.05")))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between epochs")
    asked = parser.parse_args()

    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    results = Path(os.environ.get("QD_RESULTS", "results"))
    checkpoint = Path(os.environ.get("QD_CHECKPOINT", "checkpoint")) / "digits.npz"
    results.mkdir(parents=True, exist_ok=True)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)

    train_x, test_x, train_y, test_y = load_split(asked.seed)
    print(f"{len(train_y)} digits to learn from, {len(test_y)} held out")
    epochs_done = 0
    parameters = make_parameters(np.random.default_rng(asked.seed), train_x.shape[1], 10)
    if checkpoint.exists():
        parameters, epochs_done = load_checkpoint(checkpoint)
        print(f"resuming after epoch {epochs_done}")

    warned: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: warned.append(number))
    for epoch in range(epochs_done + 1, asked.epochs + 1):
        # The order depends on the epoch alone, so a resumed training is the same training.
        order = np.random.default_rng([asked.seed, epoch]).permutation(len(train_y))
        losses = [
            learn_batch(parameters, train_x[batch], train_y[batch], asked.rate)
            for batch in np.array_split(order, len(order) // BATCH_SIZE)
        ]
        accuracy = float((predict(parameters, test_x)[1].argmax(axis=1) == test_y).mean())
        save_checkpoint(checkpoint, parameters, epoch)
        tell(epoch, asked.epochs, loss=float(np.mean(losses)), accuracy=accuracy)
        print(f"epoch {epoch}/{asked.epochs} loss {np.mean(losses):.4f} accuracy {accuracy:.3f}")
        if warned:
            sys.exit(f"warned: leaving after epoch {epoch}, which is saved")
        time.sleep(asked.pause)

    guess = predict(parameters, test_x)[1].argmax(axis=1)
    accuracy = float((guess == test_y).mean())
    model = {name: value for name, value in parameters.items() if "velocity" not in name}
    np.savez(results / "model.npz", **model)  # type: ignore[arg-type]
    draw_confusion(results / "confusion.png", test_y, guess)
    metrics = {"accuracy": round(accuracy, 4), "epochs": asked.epochs, "test_size": len(test_y)}
    (results / "metrics.json").write_text(json.dumps(metrics) + "\n")
    print(f"accuracy {accuracy:.3f}, saved in {results}")


if __name__ == "__main__":
    main()
