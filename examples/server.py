"""A server that recognises the actions of uploaded videos.

pip install fewact fastapi uvicorn python-multipart
MODEL=my-model uvicorn --app-dir examples server:app
curl -F video=@new.mp4 http://127.0.0.1:8000/predict
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, UploadFile

from fewact import FewShotClassifier, UserError

MAX_BYTES = 100 * 2**20


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model once, before the first request."""
    app.state.classifier = FewShotClassifier.load(os.environ["MODEL"]).warm_up()
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(video: UploadFile) -> dict[str, Any]:
    """Return the prediction; a plain function runs in a thread, so that the server stays free."""
    if (video.size or 0) > MAX_BYTES:
        raise HTTPException(413, "the video is too large")
    try:
        prediction: dict[str, Any] = app.state.classifier.predict(video.file).to_dict()
    except UserError as error:
        raise HTTPException(422, error.what) from None
    return prediction | {"path": video.filename}
