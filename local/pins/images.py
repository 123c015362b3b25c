"""images.env, and the copies of its lines in the files that use the images."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.pins.reference import Reference

LINE = re.compile(r"^(?P<variable>[A-Z_]+)=(?P<image>.*)$", re.MULTILINE)
STATUS = re.compile(r"^# Digests: .*$", re.MULTILINE)
USERS = ("docker-compose.yml", "template/*/Dockerfile", "compose/*/Dockerfile", "k8s/**/*.yaml")


class ImagesError(Exception):
    """images.env cannot be used. The message says where and why."""


def read(root: Path) -> dict[str, Reference]:
    """The images of images.env, by variable."""
    images = {}
    for match in LINE.finditer(_text(root / "images.env")):
        try:
            images[match["variable"]] = Reference.parse(match["image"])
        except ValueError as error:
            raise ImagesError(f"images.env, {match['variable']}: {error}") from error
    return images


def save(root: Path, images: Mapping[str, Reference], status: str) -> None:
    """Replaces the images in images.env, and the line that says where the digests come from."""
    file = root / "images.env"
    text = LINE.sub(lambda match: f"{match['variable']}={images[match['variable']]}", _text(file))
    _write(file, STATUS.sub(f"# Digests: {status}", text))


def stale_copies(root: Path) -> list[Path]:
    """The files whose copies differ from images.env."""
    return [file for file, old, new in _copies(root) if old != new]


def write_copies(root: Path) -> list[Path]:
    """Writes the copies anew. Returns the changed files."""
    changed = [(file, new) for file, old, new in _copies(root) if old != new]
    for file, new in changed:
        _write(file, new)
    return [file for file, _ in changed]


def _copies(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Each file with images, its text, and its text with the images of images.env."""
    images = read(root)
    for file in sorted(path for pattern in USERS for path in root.glob(pattern)):
        old = new = _text(file)
        for variable, image in images.items():
            name = re.escape(image.name)
            for before, after in (
                (rf"\$\{{{variable}:-", r"(?=\})"),  # Compose
                (rf"^ARG {variable}=", "$"),  # a Dockerfile
                (rf"\bimage: (?={name}[:@])", r"(?=[\s,}}])"),  # a manifest
            ):
                new = re.sub(rf"({before})\S*?{after}", rf"\g<1>{image}", new, flags=re.MULTILINE)
        yield file, old, new


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _write(file: Path, text: str) -> None:
    """The file is whole at any moment, and keeps its mode."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.chmod(file.stat().st_mode)
    part.replace(file)
