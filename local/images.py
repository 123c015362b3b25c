"""`python -m local.images [FUNCTION…]`: builds all or some images of stack.yml with Docker and prints their sizes.

It needs Docker alone. The files and the layout are those of faas-cli. The base images are those of images.env;
PYTHON_IMAGE and WATCHDOG_IMAGE replace them. REGISTRY and TAG are variables of stack.yml. DOCKER_BUILDKIT=0 selects
Docker's legacy builder.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.stack_file import ROOT, StackError, load

BASE_IMAGES = ("PYTHON_IMAGE", "WATCHDOG_IMAGE")
CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache")
MEGABYTE = 1_000_000


class BuildError(Exception):
    """Docker failed. Its own message stands above."""


@dataclass(frozen=True)
class Build:
    """One image to build. The paths lead to the sources."""

    function: str
    image: str
    template: Path
    handler: Path
    copied: tuple[Path, ...]
    arguments: Mapping[str, str]


def main() -> int:
    """Returns 0 when every image was built."""
    parser = argparse.ArgumentParser(prog="python -m local.images", description=__doc__)
    parser.add_argument("function", nargs="*", help="as in stack.yml; default: all")
    wanted = parser.parse_args().function
    try:
        builds = read_builds(ROOT / "stack.yml", os.environ)
        if unknown := set(wanted) - {build.function for build in builds}:
            raise StackError(f"stack.yml has no function {', '.join(sorted(unknown))}")
        for build in builds:
            if not wanted or build.function in wanted:
                _build(build)
    except (StackError, BuildError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


def read_builds(file: Path, variables: Mapping[str, str]) -> list[Build]:
    """The images of a stack file. Raises StackError when it cannot be read."""
    document, root = load(file, variables), file.parent
    copied = tuple(root / path for path in document["configuration"]["copy"])
    return [
        Build(
            function=name,
            image=entry["image"],
            template=root / "template" / entry["lang"],
            handler=root / entry["handler"],
            copied=copied,
            arguments=entry.get("build_args", {}),
        )
        for name, entry in document["functions"].items()
    ]


def assemble(build: Build, folder: Path) -> None:
    """Writes the build context: the template, with the function and the shared code in `function/`."""
    # The real function replaces the template's sample function.
    shutil.copytree(build.template, folder, ignore=shutil.ignore_patterns(*CACHES, "function"), dirs_exist_ok=True)
    shutil.copytree(build.handler, folder / "function", ignore=shutil.ignore_patterns(*CACHES))
    for shared in build.copied:
        shutil.copytree(shared, folder / "function" / shared.name, ignore=shutil.ignore_patterns(*CACHES))


def _build(build: Build) -> None:
    arguments = {
        **build.arguments,
        "REVISION": _revision(),
        **{name: os.environ[name] for name in BASE_IMAGES if os.environ.get(name)},
    }
    options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    started = time.monotonic()
    try:
        # Even if quiet, Docker prints its log when a step fails.
        with tempfile.TemporaryDirectory(prefix="mailroom-image-") as folder:
            assemble(build, Path(folder))
            command = ["docker", "build", "--quiet", *options, "--tag", build.image, folder]
            environment = {"DOCKER_BUILDKIT": "1", **os.environ}
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    except FileNotFoundError as error:
        raise BuildError("there is no docker command on the PATH: install Docker, or try `make demo`") from error
    except subprocess.CalledProcessError as error:
        raise BuildError(f"{build.function} could not be built: the reason is above") from error
    print(f"{build.image}  {_size(build.image) / MEGABYTE:.0f} MB, {time.monotonic() - started:.0f} s", flush=True)


def _revision() -> str:
    """The commit that is checked out; empty without git."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _size(image: str) -> int:
    """Bytes of all layers, those of the base image included."""
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
