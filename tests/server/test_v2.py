"""KServe's v2 inference protocol."""

from __future__ import annotations

import base64
import json
import struct

import cv2
import numpy as np
import pytest

from tests.server.conftest import encoded

GOOD = encoded()
FILE = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(GOOD).decode()]}


def infer(server, body: dict | bytes, name: str = "dogs", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server.ask("POST", f"/v2/models/{name}/infer", data, **headers)


def outputs(answer) -> dict[str, np.ndarray]:
    assert answer.status == 200, answer.body
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in answer.json["outputs"]}


def test_metadata(server):
    assert server.ask("GET", "/v2").json["name"] == "ppdet"
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/dogs/ready"):
        assert server.ask("GET", path).status == 200
    model = server.ask("GET", "/v2/models/dogs").json
    assert model["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert [each["name"] for each in model["outputs"]] == ["num_detections", "boxes", "scores", "class_ids", "labels"]
    missing = server.ask("GET", "/v2/models/cats")
    assert (missing.status, missing.json) == (404, {"error": "model: found 'cats'; expected one of dogs"})


def test_files_in_base64(server):
    files = [base64.b64encode(encoded(bright=bright, width=128)).decode() for bright in (250, 10, 200)]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [3], "data": files}
    answer = infer(server, {"id": "7", "inputs": [tensor]})
    assert (answer.json["model_name"], answer.json["id"]) == ("dogs", "7")
    found = outputs(answer)
    assert found["num_detections"].tolist() == [1, 0, 1]
    np.testing.assert_allclose(found["boxes"], [[32, 16, 96, 48]] * 2, rtol=1e-6)
    assert (found["class_ids"].tolist(), found["labels"].tolist()) == ([1, 1], ["dog", "dog"])
    assert found["scores"][0] > 0.9 > found["scores"][1] > 0.5


def test_pixels_are_rgb(server):
    """As files are once they are decoded: the channels of the network have different weights."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[..., 0] = 255
    png = bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
    options = {"parameters": {"threshold": 0}}
    file = FILE | {"data": [base64.b64encode(png).decode()]}
    expected = outputs(infer(server, options | {"inputs": [file]}))
    for shape, data in (([20, 30, 3], pixels.tolist()), ([1, 20, 30, 3], pixels.ravel().tolist())):
        tensor = {"name": "image", "datatype": "UINT8", "shape": shape, "data": data}
        found = outputs(infer(server, options | {"inputs": [tensor]}))
        np.testing.assert_array_equal(found["scores"], expected["scores"])


@pytest.mark.parametrize("kind", ["BYTES", "UINT8"])
def test_binary_data_after_the_json(server, kind):
    if kind == "BYTES":
        data, shape = struct.pack("<I", len(GOOD)) + GOOD, [1]
    else:
        data, shape = np.full((64, 64, 3), 250, np.uint8).tobytes(), [64, 64, 3]
    head = json.dumps(
        {"inputs": [{"name": "image", "datatype": kind, "shape": shape, "parameters": {"binary_data_size": len(data)}}]}
    ).encode()
    answer = infer(server, head + data, Inference_Header_Content_Length=str(len(head)))
    assert outputs(answer)["labels"].tolist() == ["dog"]


def test_options_and_chosen_outputs(server):
    for parameters, count in (({"classes": ["cat"]}, 0), ({"classes": "dog"}, 1), ({"threshold": 1}, 0)):
        wanted = {
            "inputs": [FILE],
            "parameters": parameters,
            "outputs": [{"name": "num_detections"}, {"name": "boxes"}],
        }
        found = outputs(infer(server, wanted))
        assert list(found) == ["num_detections", "boxes"]
        assert found["num_detections"].tolist() == [count]
        assert found["boxes"].shape == (count, 4)
    again = infer(server, {"inputs": [FILE], "outputs": [{"name": "boxes"}] * 1000})
    assert [output["name"] for output in again.json["outputs"]] == ["boxes"]


PIXELS = {"name": "image", "datatype": "UINT8", "shape": [2, 2, 3], "data": [0] * 12}
BAD = {
    "model": ({"inputs": [FILE]}, "model: found 'cats'; expected one of dogs"),
    "no JSON": (b"{", "body: no JSON"),
    "no inputs": ({}, "inputs: expected a list of one tensor, image"),
    "two inputs": ({"inputs": [FILE, FILE]}, "inputs: expected a list of one tensor"),
    "name": ({"inputs": [FILE | {"name": "x"}]}, "x: not known here; expected image"),
    "type": ({"inputs": [FILE | {"datatype": "FP32"}]}, r"image: found FP32 of shape \[1\]; expected BYTES \[n\]"),
    "shape": ({"inputs": [FILE | {"shape": "x"}]}, "image.shape: found x; expected a list of numbers above 0"),
    "negative": ({"inputs": [FILE | {"shape": [-1]}]}, "image.shape: found"),
    "count": ({"inputs": [FILE | {"shape": [2]}]}, "image.data: expected a list of 2 image files"),
    "too many": ({"inputs": [FILE | {"shape": [5]}]}, "images: found 5; expected 4 at most"),
    "no image": ({"inputs": [FILE | {"data": ["aGVsbG8="]}]}, r"image\[0\]: not an image"),
    "numbers": ({"inputs": [PIXELS | {"data": [0] * 11}]}, "image.data: found 11 numbers; expected 12 of 0 to 255"),
    "range": ({"inputs": [PIXELS | {"data": [256] * 12}]}, "image.data: found 12 numbers; expected 12 of 0 to 255"),
    "none": ({"inputs": [PIXELS | {"data": []}]}, "image.data: found 0 numbers"),
    "ragged": ({"inputs": [PIXELS | {"data": [[1], [2, 3]]}]}, "image.data: expected whole numbers of 0 to 255"),
    "text": ({"inputs": [PIXELS | {"data": ["a"] * 12}]}, "image.data: expected whole numbers of 0 to 255"),
    "digits": ({"inputs": [PIXELS | {"data": ["7"] * 12}]}, "image.data: expected whole numbers of 0 to 255"),
    "fractions": ({"inputs": [PIXELS | {"data": [0.5] * 12}]}, "image.data: expected whole numbers of 0 to 255"),
    "truth": ({"inputs": [PIXELS | {"data": [True] * 12}]}, "image.data: expected whole numbers of 0 to 255"),
    "no data": ({"inputs": [PIXELS | {"data": None}]}, "image.data: expected whole numbers of 0 to 255"),
    "pixels": ({"inputs": [PIXELS | {"shape": [3000, 2000, 3]}]}, "image: 2000 x 3000 pixels; at most 4,000,000"),
    "parameters": ({"inputs": [FILE], "parameters": 1}, "parameters: expected an object"),
    "threshold": ({"inputs": [FILE], "parameters": {"threshold": 2}}, "threshold: found 2"),
    "outputs": ({"inputs": [FILE], "outputs": 5}, "outputs: expected a list of objects"),
    "output": ({"inputs": [FILE], "outputs": [{"name": "mask"}]}, "mask: not known here; expected num_detections"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_requests(server, kind):
    body, message = BAD[kind]
    answer = infer(server, body, "cats" if kind == "model" else "dogs")
    assert answer.status in (400, 404, 413), answer.body
    with pytest.raises(ValueError, match=message):
        raise ValueError(answer.json["error"])


@pytest.mark.parametrize("length", ["x", "-1", "10000000"])
def test_a_length_of_the_json_that_is_none(server, length):
    answer = infer(server, {"inputs": [FILE]}, Inference_Header_Content_Length=length)
    assert (answer.status, answer.json["error"][:31]) == (400, "Inference-Header-Content-Length")


def test_binary_data_that_end_within_an_image(server):
    head = json.dumps({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1]}]}).encode()
    answer = infer(server, head + struct.pack("<I", 900) + GOOD[:50], Inference_Header_Content_Length=str(len(head)))
    assert (answer.status, answer.json["error"][:36]) == (400, "image: the binary data end within an")
