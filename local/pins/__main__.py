"""`python -m local.pins COMMAND`: keeps the images of images.env and their copies in other files.

digests asks the registries for the digest of each tag, writes them into images.env, and then the copies.
copies writes the copies alone. check fails if an image has no digest, or a copy differs.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from local.pins import images, registry
from local.stack_file import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.pins", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of images.env; default: this one")
    options = parser.parse_args()
    try:
        return COMMANDS[options.command](options.root)
    except (images.ImagesError, registry.RegistryError, OSError) as error:
        print(f"pins: {error}", file=sys.stderr)
        return 1


def digests(root: Path) -> int:
    """Asks for all digests before it writes any: one that fails leaves everything as it was."""
    found = {name: image.pinned(registry.digest(image)) for name, image in images.read(root).items()}
    for name, image in found.items():
        print(f"{name}={image}")
    images.save(root, found, f"asked for on {datetime.now(UTC):%Y-%m-%d}.")
    return copies(root)


def copies(root: Path) -> int:
    for file in images.write_copies(root):
        print(f"changed {file.relative_to(root)}")
    return 0


def check(root: Path) -> int:
    faults = [f"{name}={image} has no digest" for name, image in images.read(root).items() if not image.digest]
    faults += [f"{file.relative_to(root)} differs from images.env" for file in images.stale_copies(root)]
    for fault in faults:
        print(f"pins: {fault}", file=sys.stderr)
    if faults:
        print("pins: not fit for a release: `make pin-images` adds digests and writes the copies", file=sys.stderr)
        return 1
    print("Every image has a digest, and every copy agrees.")
    return 0


COMMANDS = {"digests": digests, "copies": copies, "check": check}


if __name__ == "__main__":
    sys.exit(main())
