"""A model's mistakes and least confident answers, for inspection."""

import csv
import io
from pathlib import Path

import torch
from torch import Tensor

from cnn_mnist.training.data import Split
from cnn_mnist.training.metrics import least_confident_rows, wrong_rows
from cnn_mnist.training.runs import plots
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.runs.run_folder import write as write_whole

NUM_LEAST_CONFIDENT = 40  # correct answers shown
MAX_SHOWN = 100  # on the sheet; the table lists all


def write(folder: Path, split: Split, logits: Tensor, classes: tuple[str, ...]) -> None:
    """Write errors.png, a contact sheet, and errors.csv, one row per image.

    The mistakes come first, most confident first, then the least confident correct answers.

    Raises:
        RunError: the files cannot be written.
    """
    logits, labels = logits.cpu(), split.labels.cpu()
    wrong = wrong_rows(logits, labels)
    unsure = least_confident_rows(logits, labels)[:NUM_LEAST_CONFIDENT]
    shown = torch.cat([wrong[: MAX_SHOWN - len(unsure)], unsure])
    title = f"{len(wrong)} mistakes, most confident first; then the {len(unsure)} least confident"
    sheet = plots.answers(split.to("cpu"), logits, shown, title, classes)
    table = _table(torch.cat([wrong, unsure]), split, logits, classes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "errors.png", plots.png(sheet))
        write_whole(folder / "errors.csv", table.encode("utf-8", "replace"))
    except OSError as error:
        raise RunError(f"the errors cannot be written to {folder}: {error.strerror}") from error


def _table(rows: Tensor, split: Split, logits: Tensor, classes: tuple[str, ...]) -> str:
    confidences, answers = logits.softmax(dim=1).max(dim=1)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["row", "label", "answer", "confidence", "file"])
    for row in rows.tolist():
        label, answer = classes[int(split.labels[row])], classes[int(answers[row])]
        file = split.files[row] if split.files else ""
        table.writerow([row, label, answer, f"{confidences[row]:.4f}", file])
    return text.getvalue()
