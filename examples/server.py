"""A server that recognises the actions of uploaded videos.

pip install fewact fastapi uvicorn python-multipart
MODEL=my-model uvicorn --app-dir examples server:app
curl -F video=@new.mp4 http://127.0.0.1:8000/predict
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from fewact import FewShotClassifier, UserError

MAX_BYTES = 100 * 2**20  # of a request


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load the model once, before the first request."""
    app.state.classifier = FewShotClassifier.load(os.environ["MODEL"]).warm_up()
    yield


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def limit(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse a large upload before it is received: it would fill the disk."""
    size = request.headers.get("content-length", "")
    if request.method == "POST" and not (size.isdecimal() and int(size) <= MAX_BYTES):
        return JSONResponse({"detail": "the video is too large, or its size is not known"}, 413)
    return await call_next(request)


@app.post("/predict")
def predict(video: UploadFile) -> dict[str, Any]:
    """Return the prediction; a plain function runs in a thread, so that the server stays free."""
    try:
        prediction: dict[str, Any] = app.state.classifier.predict(video.file).to_dict()
    except UserError as error:
        raise HTTPException(422, error.what) from None
    return prediction | {"path": video.filename}
