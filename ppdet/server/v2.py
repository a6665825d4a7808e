"""KServe's v2 inference protocol: /v2."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ppdet import __version__
from ppdet.server.batcher import Found, Image
from ppdet.server.body import read_body
from ppdet.server.examples import ERRORS
from ppdet.server.limits import Limits
from ppdet.server.models import Model, Models
from ppdet.server.options import classes_of, only_classes, threshold_of
from ppdet.server.refusals import Refused
from ppdet.server.tensors import INPUT, images_of
from ppdet.server.uploads import check_names, parse_json
from ppdet.server.work import detect

OUTPUTS: dict[str, tuple[str, list[int]]] = {
    "num_detections": ("INT64", [-1]),  # of each image
    "boxes": ("FP32", [-1, 4]),  # x1, y1, x2, y2 in pixels, image after image
    "scores": ("FP32", [-1]),
    "class_ids": ("INT64", [-1]),
    "labels": ("BYTES", [-1]),
}


def v2_routes(models: Models, limits: Limits) -> APIRouter:
    """The routes below /v2."""
    routes = APIRouter(prefix="/v2", tags=["KServe"])

    @routes.get("", summary="Metadata of the server")
    async def server() -> dict[str, Any]:
        return {"name": "ppdet", "version": __version__, "extensions": ["binary_tensor_data"]}

    @routes.get("/health/live", summary="Whether the server runs")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @routes.get("/health/ready", summary="Whether the server has its models")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @routes.get("/models/{name}/ready", summary="Whether a model is loaded")
    async def model_ready(name: str) -> dict[str, Any]:
        return {"name": models.get(name).name, "ready": True}

    @routes.get("/models/{name}", summary="Metadata of a model")
    async def model_metadata(name: str) -> dict[str, Any]:
        return _metadata(models.get(name))

    @routes.post("/models/{name}/infer", summary="Detect objects in a tensor of images", responses=ERRORS)
    async def infer(name: str, request: Request) -> JSONResponse:
        model = models.get(name)
        body = await read_body(request, limits)
        length = request.headers.get("inference-header-content-length")
        content, images = await asyncio.to_thread(_read, body, length, limits)
        options = content.get("parameters", {})
        classes = classes_of(options.get("classes"), model.detector.labels)
        found = await detect(models.get(name), images, threshold_of(options.get("threshold")), limits.seconds)
        answer = {"model_name": model.name, "outputs": _outputs(found, classes, _wanted(content))}
        return JSONResponse(answer | ({"id": content["id"]} if isinstance(content.get("id"), str) else {}))

    return routes


def _metadata(model: Model) -> dict[str, Any]:
    outputs = [{"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in OUTPUTS.items()]
    return {
        "name": model.name,
        "platform": f"ppdet_{model.detector.backend}",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": outputs,
    }


def _read(body: bytes, length: str | None, limits: Limits) -> tuple[dict[str, Any], list[Image]]:
    """The JSON of a request and its images. `length`: that of the JSON, if binary data follow."""
    if length is not None and not (length.isdecimal() and int(length) <= len(body)):
        raise Refused(400, f"Inference-Header-Content-Length: found {length:.20}; expected at most {len(body)}")
    end = len(body) if length is None else int(length)
    content, binary = parse_json(body[:end]), body[end:]
    tensors = content.get("inputs")
    if not isinstance(tensors, list) or len(tensors) != 1 or not isinstance(tensors[0], dict):
        raise Refused(400, f"inputs: expected a list of one tensor, {INPUT}")
    check_names([str(tensors[0].get("name"))], [INPUT])
    if not isinstance(content.get("parameters", {}), dict):
        raise Refused(400, 'parameters: expected an object, as {"threshold": 0.5}')
    _wanted(content)
    return content, images_of(tensors[0], binary, limits)


def _wanted(content: dict[str, Any]) -> Sequence[str]:
    """The names of the outputs that are asked for."""
    outputs = content.get("outputs") or [{"name": name} for name in OUTPUTS]
    if not isinstance(outputs, list) or not all(isinstance(each, dict) for each in outputs):
        raise Refused(400, 'outputs: expected a list of objects, as {"name": "boxes"}')
    names = [str(each.get("name")) for each in outputs]
    check_names(names, OUTPUTS)
    return list(dict.fromkeys(names))  # a name again and again would make the answer huge


def _outputs(found: Sequence[Found], classes: frozenset[str] | None, names: Sequence[str]) -> list[dict[str, Any]]:
    chosen = [only_classes(each.detections, classes) for each in found]
    pairs = [(each.detections, list(rows)) for each, rows in zip(found, chosen, strict=True)]
    values: dict[str, list[Any]] = {
        "num_detections": [len(rows) for _, rows in pairs],
        "boxes": np.concatenate([each.boxes[rows] for each, rows in pairs]).ravel().tolist(),
        "scores": np.concatenate([each.scores[rows] for each, rows in pairs]).tolist(),
        "class_ids": np.concatenate([each.class_ids[rows] for each, rows in pairs]).tolist(),
        "labels": [each.names[row] for each, rows in pairs for row in rows],
    }
    count = len(values["scores"])
    shapes = {"num_detections": [len(found)], "boxes": [count, 4]}
    return [
        {"name": name, "datatype": OUTPUTS[name][0], "shape": shapes.get(name, [count]), "data": values[name]}
        for name in names
    ]
