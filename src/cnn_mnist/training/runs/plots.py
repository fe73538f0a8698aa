"""Plots of a training: curves, confusion matrix, samples, mistakes, augmentations.

They are matplotlib Figures; nothing is shown or written here.
"""

import io
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from cnn_mnist.training.augment.sampling import SIDE
from cnn_mnist.training.augment.transforms import augment
from cnn_mnist.training.data import DIGITS, Split
from cnn_mnist.training.loop import Epoch
from cnn_mnist.training.metrics import wrong_rows
from cnn_mnist.training.recipes import Recipe

GAP, LINE = 4, 4.5  # pixels of an image, between images and for a line of a title
NUM_SHOWN = 20  # sample predictions, and mistakes
PIXEL = 1 / 30  # inches per pixel of an image
BLUE, ORANGE, GREY = "#2a6fb0", "#d1611f", "#8a8a8a"

# The original's ten epochs: train and test accuracy in percent, as published.
PUBLISHED = {
    "train_accuracy": (91.21, 97.13, 97.74, 98.03, 98.09, 98.76, 98.92, 98.97, 99.02, 99.07),
    "test_accuracy": (98.01, 98.15, 98.57, 98.77, 98.77, 99.08, 99.14, 99.10, 99.26, 99.13),
}


def png(figure: Figure) -> bytes:
    """A plot as a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def curves(history: Sequence[Epoch], published: bool = False, split: str = "test") -> Figure:
    """The four curves over the epochs: loss and accuracy, of training and of test or val.

    Args:
        published: also show the original's.
        split: what the epochs were evaluated on, "test" or "val".
    """
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    epochs = [row.epoch for row in history]
    evaluated = {"test": "Test", "val": "Validation"}[split]
    titles = {
        "train_loss": "Training loss (cross-entropy per image)",
        "train_accuracy": "Training accuracy (%), augmented images",
        "test_loss": f"{evaluated} loss (cross-entropy per image)",
        "test_accuracy": f"{evaluated} accuracy (%)",
    }
    for axes, (name, title) in zip(figure.subplots(2, 2).flat, titles.items(), strict=True):
        percent = 100 if "accuracy" in name else 1
        values = [getattr(row, name) * percent for row in history]
        color = BLUE if "train" in name else ORANGE
        axes.plot(epochs, values, marker="o", markersize=4, color=color, label="this run")
        if published and name in PUBLISHED:
            known = PUBLISHED[name]
            axes.plot(range(1, len(known) + 1), known, "--", color=GREY, label="published")
            axes.legend(frameon=False)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def confusion_matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str] = DIGITS) -> Figure:
    """Counts of (true class, predicted class); only the mistakes are coloured."""
    table, places = np.array(confusion), range(len(classes))
    mistakes = np.where(np.eye(len(classes), dtype=bool), 0, table)
    side = max(6.0, 0.42 * len(classes))
    figure = Figure(figsize=(side, side - 0.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(mistakes, cmap="Oranges", vmax=max(1, mistakes.max()) * 1.6)
    for (row, column), count in np.ndenumerate(table):
        if count:
            weight = "bold" if row == column else "normal"
            axes.text(column, row, str(count), ha="center", va="center", size=9, weight=weight)
    noun = "digit" if tuple(classes) == DIGITS else "class"
    axes.set(xlabel="answer", ylabel=f"true {noun}")
    turned = 90 if _are_long(classes) else 0
    axes.set_xticks(places, classes, rotation=turned, parse_math=False)
    axes.set_yticks(places, classes, parse_math=False)
    axes.set_title(f"{mistakes.sum()} mistakes in {table.sum():,} images")
    axes.spines[:].set_visible(False)
    return figure


def _are_long(classes: Sequence[str]) -> bool:
    return max(map(len, classes)) > 2


def samples(split: Split, logits: Tensor, classes: Sequence[str] = DIGITS) -> Figure:
    """The first images of a split with the prediction and its probability."""
    rows = torch.arange(min(NUM_SHOWN, len(split)))
    return answers(split, logits, rows, "Sample predictions", classes)


def mistakes(split: Split, logits: Tensor, classes: Sequence[str] = DIGITS) -> Figure:
    """The misclassified images, most confident first."""
    rows = wrong_rows(logits, split.labels)
    title = f"The worst of {len(rows)} mistakes" if len(rows) else "No mistakes"
    return answers(split, logits, rows[:NUM_SHOWN], title, classes)


def answers(
    split: Split, logits: Tensor, rows: Tensor, title: str, classes: Sequence[str] = DIGITS
) -> Figure:
    """Some images with the prediction and its probability; mistakes also with the true class."""
    probs, answered = logits.softmax(dim=1).max(dim=1)
    words, share = ("\n", "\n") if _are_long(classes) else (" ", " · ")
    titles, colors = [], []
    for row in rows.tolist():
        answer, truth = classes[int(answered[row])], classes[int(split.labels[row])]
        wrong = "" if answer == truth else f"{words}not {truth}"
        titles.append(f"{answer}{wrong}{share}{probs[row]:.0%}")
        colors.append(ORANGE if wrong else "black")
    return gallery(split.images[rows], title, titles, colors)


def augmentations(split: Split, recipe: Recipe) -> Figure:
    """Each of the first five images unchanged, then as augmented in eight passes."""
    generator = torch.Generator().manual_seed(0)
    originals = split.images[:5]
    seen = [augment(originals, generator, recipe) for _ in range(8)]
    images = torch.stack([originals, *seen], dim=1).flatten(0, 1)
    titles = (["original"] + [""] * 8) * len(originals)
    return gallery(images, f"What {recipe.name} trains on", titles, columns=9)


def gallery(
    images: Tensor,
    title: str,
    titles: Sequence[str],
    colors: Sequence[str] | None = None,
    columns: int = 10,
) -> Figure:
    """Images N×28×28, values 0..255, in rows, dark ink on white, each below its title."""
    lines = 1 + max((text.count("\n") for text in titles), default=0)
    rows, high = max(1, -(-len(images) // columns)), SIDE + GAP + LINE * lines
    size = columns * (SIDE + GAP) * PIXEL, rows * high * PIXEL + 0.5
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots()
    axes.axis("off")
    for index, image in enumerate(images.cpu().numpy()):
        x, y = index % columns * (SIDE + GAP), index // columns * high
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=255, extent=(x, x + SIDE, y + SIDE, y))
        color = colors[index] if colors else "black"
        text = axes.text(x + SIDE / 2, y - 1, titles[index], color=color, parse_math=False)
        text.set(ha="center", va="bottom", size=8)
    axes.set(xlim=(-GAP, columns * (SIDE + GAP)), ylim=(rows * high - LINE * lines, -LINE * lines))
    return figure
