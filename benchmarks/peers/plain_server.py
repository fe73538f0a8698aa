"""A digit server as people write it: FastAPI, Pillow and torch. Run by serve_load.py.

It squeezes the whole picture into 28×28 and answers with one digit, so it does far less than
`cnn-mnist serve`: it finds no ink, no lines and no second digit.
"""

import io

import numpy as np
import torch
from fastapi import FastAPI, File, UploadFile
from PIL import Image, ImageOps

from cnn_mnist import load_model

app = FastAPI()
model = load_model("reader")


@app.post("/predict")
async def predict(file: UploadFile = File(...)) -> dict[str, object]:  # noqa: B008
    """The digit in a picture."""
    image = Image.open(io.BytesIO(await file.read())).convert("L")
    pixels = np.asarray(ImageOps.invert(image).resize((28, 28)), np.float32) / 255
    with torch.no_grad():
        logits = model(torch.from_numpy((pixels - 0.1307) / 0.3081)[None, None])
    probs = torch.softmax(logits, dim=1)[0]
    return {"digit": int(probs.argmax()), "probabilities": probs.tolist()}
