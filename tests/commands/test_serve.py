"""`ppdet serve`: its arguments."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from ppdet.cli import main
from ppdet.commands import serve
from ppdet.core.errors import UserError

needs_the_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in serve.EXTRA), reason="the extra `server` is not installed"
)


def test_names_of_models(tmp_path):
    (tmp_path / "xs").mkdir()
    (file := tmp_path / "xs" / "model.onnx").touch()
    named = serve.named_models([str(tmp_path / "xs"), f"file={file}", f"s={tmp_path}/a=b"])
    assert named == {"xs": tmp_path / "xs", "file": file, "s": tmp_path / "a=b"}
    assert list(serve.named_models([str(file)])) == ["xs"]
    assert serve.named_models(["./a=b/c"]) == {"c": Path("a=b/c")}
    for given, problem in (([str(file), str(file.parent)], "xs is there twice"), (["=x"], "has no name")):
        with pytest.raises(
            UserError, match=rf"^--model: .*: {problem}; give each model a name of its own, as NAME=PATH"
        ):
            serve.named_models(given)


def refused(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["serve", *argv])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_without_the_extra(capsys, monkeypatch):
    monkeypatch.setattr(serve, "EXTRA", ("fastapi_that_is_not_there",))
    line = refused(capsys, "--model", "x")
    assert line == (
        "error: ppdet serve: fastapi_that_is_not_there is not installed; pip install 'ppdet-picodet[server]'"
    )


@needs_the_extra
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "nothing"], "nothing: there is no such file or folder"),
        (["--queue", "0"], "--queue: found 0; expected 1 to 100000"),
        (["--queue", "15"], "--max_images: found 16; expected 1 to 15"),
        (["--max_images", "100"], "--max_images: found 100; expected 1 to 64"),
        (["--max_body_mb", "-1"], "--max_body_mb: found -1; expected 0.01 to 1024"),
        (["--max_pixels", "999999999"], "--max_pixels: found 1e+09; expected 1 to 1.8e+08"),
        (["--timeout", "nan"], "--timeout: found nan; expected 0.1 to 3600"),
        (["--port", "99999"], "--host, --port: 127.0.0.1 99999 cannot be used"),
        (["--host", "no such host"], "--host, --port: no such host 0 cannot be used"),
        (["--token_file", "nothing"], "--token_file: nothing cannot be read"),
        (["--batch_size", "0"], "batch_size: found 0; expected 1 or more"),
        (["--threads", "0"], "threads: found 0; expected 1 or more"),
    ],
)
def test_bad_options(options, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "--model", "nothing", "--port", "0", *options)


@needs_the_extra
@pytest.mark.parametrize("content", ["", " \n", "two words", "é"])
def test_a_file_without_a_token(content, capsys, tmp_path):
    (tmp_path / "token").write_text(content, encoding="utf-8")
    line = refused(capsys, "--model", "nothing", "--port", "0", "--token_file", str(tmp_path / "token"))
    assert line.startswith(f"error: {tmp_path / 'token'}: found no token; expected one word of ASCII")


@needs_the_extra
def test_a_port_in_use(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refused(capsys, "--model", "nothing", "--port", str(taken.getsockname()[1]))
    assert "cannot be used (" in line
    assert line.endswith("; choose others")
