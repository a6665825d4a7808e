"""The part of the OpenAPI page that FastAPI cannot know: bodies that are read here, and answers."""

from __future__ import annotations

from typing import Any

_OPTIONS: dict[str, Any] = {
    "threshold": {"type": "number", "minimum": 0, "maximum": 1, "description": "default: the model's"},
    "classes": {"type": "array", "items": {"type": "string"}, "description": "default: all"},
    "model": {"type": "string", "description": "needed if the server has several"},
}
_FILE = {"type": "string", "format": "binary"}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}}
_DETECTION = {"category_id": 1, "category": "dog", "bbox": [10.5, 20.0, 100.0, 50.0], "score": 0.93}
_ANSWER = {"model": "picodet", "images": [{"width": 640, "height": 480, "detections": [_DETECTION]}]}


def _json(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, "example": example}}


def _error(about: str) -> dict[str, Any]:
    return {"description": about, "content": _json(_ERROR, {"error": "what was found; what to do"})}


ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error("The request is wrong"),
    401: _error("No token, or a wrong one"),
    404: _error("There is no such model"),
    413: _error("More bytes, pixels or images than are taken"),
    415: _error("Another type than images, a form or JSON"),
    503: _error("Busy: send it again after the seconds in Retry-After"),
}

DETECT: dict[str, Any] = {
    "description": "Boxes are [x, y, width, height] in pixels of the upright image, the most confident first.",
    "responses": {200: {"description": "The objects of each image", "content": _json({"type": "object"}, _ANSWER)}}
    | ERRORS,
    "openapi_extra": {
        "parameters": [{"name": name, "in": "query", "schema": schema} for name, schema in _OPTIONS.items()],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"images": {"type": "array", "items": _FILE}, **_OPTIONS},
                    }
                },
                "image/*": {"schema": _FILE},
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "images": {"type": "array", "items": {"type": "string", "format": "byte"}},
                            **_OPTIONS,
                        },
                    }
                },
            },
        },
    },
}
