"""Our own interface: /v1."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ppdet.server import examples
from ppdet.server.batcher import Found
from ppdet.server.body import read_body
from ppdet.server.limits import Limits
from ppdet.server.models import Model, Models
from ppdet.server.options import classes_of, name_of, only_classes, threshold_of
from ppdet.server.uploads import join_options, read_upload
from ppdet.server.work import detect

_QUICK = 1 << 18  # bytes; a larger form or JSON would hold up all other requests


def v1_routes(models: Models, limits: Limits) -> APIRouter:
    """The routes below /v1."""
    routes = APIRouter(prefix="/v1", tags=["detection"])

    @routes.post("/detect", summary="Detect objects in images", **examples.DETECT)
    async def detect_objects(request: Request) -> JSONResponse:
        body = await read_body(request, limits)
        content_type = request.headers.get("content-type", "")
        if len(body) > _QUICK:
            upload = await asyncio.to_thread(read_upload, content_type, body, limits)
        else:
            upload = read_upload(content_type, body, limits)
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        options = join_options(query, upload.options)
        model = models.get(name_of(options.get("model")))
        classes = classes_of(options.get("classes"), model.detector.labels)
        threshold = threshold_of(options.get("threshold"))
        found = await detect(model, upload.images, threshold, limits.seconds)
        return JSONResponse({"model": model.name, "images": [_image(each, classes) for each in found]})

    @routes.get("/models", summary="List the models")
    async def list_models() -> dict[str, list[dict[str, Any]]]:
        return {"models": [_model(model) for model in models]}

    return routes


def _image(found: Found, classes: frozenset[str] | None) -> dict[str, Any]:
    height, width = found.size
    entries = found.detections.entries()
    return {
        "width": width,
        "height": height,
        "detections": [entries[i] for i in only_classes(found.detections, classes)],
    }


def _model(model: Model) -> dict[str, Any]:
    detector = model.detector
    height, width = detector.config.size
    return {
        "name": model.name,
        "backend": detector.backend,
        "input_size": {"width": width, "height": height},
        "threshold": detector.config.thresholds or detector.threshold,
        "classes": list(detector.labels),
    }
