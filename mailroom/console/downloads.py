"""Files of the APIs, passed on while they are read. What breaks off there breaks off here."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, request

from mailroom.console import session

_CHUNK_BYTES = 64 * 1024
_KEPT = ("Content-Type", "Content-Disposition", "Content-Encoding")


def download(path: str, query: Mapping[str, object] | None = None) -> Response:
    """The file that the API sends, with its name and type; compressed if it is and the browser takes it so.

    Raises `ApiError`.
    """
    answer = session.api().stream(path, token=session.token(), query=query)
    headers = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    decode = not request.accept_encodings.quality("gzip")
    if decode:
        headers.pop("Content-Encoding", None)
    response = Response(answer.stream(_CHUNK_BYTES, decode_content=decode), headers=headers)
    response.vary.add("Accept-Encoding")
    # Closes the connection too if the file was not read to its end: its rest must not answer another call.
    response.call_on_close(answer.close)
    return response
