"""`python -m local.images [FUNCTION…]`: builds all or some images of stack.yml and prints their sizes.

PYTHON_IMAGE and WATCHDOG_IMAGE replace the template's base images. REGISTRY and TAG are variables of stack.yml.
DOCKER_BUILDKIT=0 selects Docker's legacy builder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from local.images.context import Build, assemble, read_builds
from local.stack_file import StackError

ROOT = Path(__file__).parents[2]
BASE_IMAGES = ("PYTHON_IMAGE", "WATCHDOG_IMAGE")
MEGABYTE = 1_000_000


class BuildError(Exception):
    """Docker failed. Its own message stands above."""


def main() -> int:
    """Returns 0 when every image was built."""
    parser = argparse.ArgumentParser(prog="python -m local.images", description=__doc__)
    parser.add_argument("function", nargs="*", help="as in stack.yml; default: all")
    wanted = parser.parse_args().function
    try:
        builds = read_builds(ROOT / "stack.yml", os.environ)
        for build in builds:
            if not wanted or build.function in wanted:
                _build(build)
    except (StackError, BuildError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    if unknown := set(wanted) - {build.function for build in builds}:
        print(f"images: stack.yml has no function {', '.join(sorted(unknown))}", file=sys.stderr)
        return 1
    return 0


def _build(build: Build) -> None:
    arguments = {**build.arguments, **{name: os.environ[name] for name in BASE_IMAGES if os.environ.get(name)}}
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


def _size(image: str) -> int:
    """Bytes of all layers, those of the base image included."""
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
