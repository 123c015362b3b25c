"""The files in static/. Their URLs hold a digest of the content, so that browsers keep them for good."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cached_property
from pathlib import Path

from flask import Blueprint, Response, abort, request, url_for

FOLDER = Path(__file__).with_name("static")
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"


class Asset:
    """A file, read once."""

    def __init__(self, file: Path) -> None:
        self.content = file.read_bytes()
        self.digest = hashlib.sha256(self.content).hexdigest()[:16]
        self.type = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"

    @cached_property
    def compressed(self) -> bytes:
        return gzip.compress(self.content, 9, mtime=0)


class Assets:
    """All files that a page may load."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.files = {
            file.relative_to(folder).as_posix(): Asset(file)
            for file in sorted(folder.rglob("*"))
            if file.suffix in _TYPES
        }

    def url(self, name: str) -> str:
        """The URL of a file, such as `console.css`. Raises KeyError for a file that there is not."""
        return url_for("static.file", digest=self.files[name].digest, name=name)

    def blueprint(self) -> Blueprint:
        static = Blueprint("static", __name__)

        @static.get("/static/<digest>/<path:name>")
        def file(digest: str, name: str) -> Response:
            asset = self.files.get(name) or abort(404)
            # Pages of a version before or after ours name another digest. They get our file, but do not keep it.
            response = Response(asset.content, content_type=asset.type)
            response.headers["Cache-Control"] = _FOR_GOOD if digest == asset.digest else "no-cache"
            response.vary.add("Accept-Encoding")
            if request.accept_encodings.quality("gzip") > 0:
                response.set_data(asset.compressed)
                response.headers["Content-Encoding"] = "gzip"
            return response

        return static
