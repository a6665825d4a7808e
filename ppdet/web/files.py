"""The files that make the page work: its own, and those of onnxruntime-web."""

from __future__ import annotations

import tarfile
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.utils.download import download

VERSION = "1.30.0"
_URL = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
_CACHE = Path("~/.cache/ppdet/onnxruntime-web")
_INSTALLED = Path("node_modules/onnxruntime-web/dist")  # where npm puts it
WASM_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU_FILES = (
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
# A page that is sent with them may use threads, and no other page may read it.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self' blob: 'wasm-unsafe-eval'",  # also for workers, unlike the page's own
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}


def web_folder() -> Path:
    """The folder of the page: `deploy/web` of the clone that ppdet runs from, or its copy in an installed package."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "web" / "page"
    return installed if installed.is_dir() else package.parent / "deploy" / "web"


def web_files(runtime: Path | None = None, model: Path | None = None) -> dict[str, Path]:
    """The files of the page by their addresses below it, as `index.html` and `ort/ort.wasm.min.mjs`.

    Args:
        runtime: the folder of onnxruntime-web's files; None: without them.
        model: an .onnx file that the page loads at once; None: the user names one.
    """
    page = [file for file in web_folder().iterdir() if file.suffix in (".html", ".css", ".js", ".ts", ".svg")]
    files = {file.name: file for file in page}
    if runtime:
        own = (runtime / name for name in (*WASM_FILES, *WEBGPU_FILES))
        files |= {f"ort/{file.name}": file for file in own if file.is_file()}
    if model:
        files["model.onnx"] = model
    return files


def find_runtime(given: Path | None = None, cache: Path = _CACHE) -> Path:
    """The folder of onnxruntime-web's files: `given`, what npm installed here, or what `fetch_runtime` unpacked.

    Raises UserError if it is none of them.
    """
    cached = _unpacked(cache)
    places = [given, given / _INSTALLED] if given else [Path.cwd() / _INSTALLED, web_folder() / _INSTALLED, cached]
    for place in places:
        if all((place / name).is_file() for name in WASM_FILES):
            return place
    found = f"--runtime: {given}" if given else "onnxruntime-web"
    raise UserError(
        f"{found}: found no {WASM_FILES[0]}{'' if given else f' in {_INSTALLED} or {cached}'}; expected version "
        f"{VERSION} of onnxruntime-web; run `npm install onnxruntime-web@{VERSION}` here, or add --download once"
    )


def fetch_runtime(cache: Path = _CACHE, url: str = _URL, sha256: str = _SHA256) -> Path:
    """Downloads onnxruntime-web once (33 MB), and returns the folder of the files that the page needs.

    Raises UserError if that fails.
    """
    target = _unpacked(cache)
    wanted = (*WASM_FILES, *WEBGPU_FILES)
    if all((target / name).is_file() for name in wanted):
        return target
    archive = download(url, cache, sha256=sha256)
    target.mkdir(exist_ok=True)
    with tarfile.open(archive) as packed:
        for name in wanted:
            content = packed.extractfile(f"package/dist/{name}")
            assert content, f"{archive} has no {name}"
            part = target / f".{name}.part"
            part.write_bytes(content.read())
            part.replace(target / name)
    archive.unlink()
    return target


def _unpacked(cache: Path) -> Path:
    return cache.expanduser() / VERSION
