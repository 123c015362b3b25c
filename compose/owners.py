"""Gives volumes to the users of the services: `python owners.py FOLDER=UID:GID...`, as root.

It changes only what belongs to root: a new volume, or what an earlier version wrote as root. The entries of a folder
are changed after everything in them, the folder itself last. So they show whether the work is done, and the next run
completes one that was killed.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = 0


def main() -> int:
    for argument in sys.argv[1:]:
        folder, _, owner = argument.partition("=")
        uid, gid = map(int, owner.split(":"))
        try:
            changed = give(Path(folder), uid, gid)
        except OSError as error:
            print(f"owners: {folder} cannot be given to {owner}: {error}", file=sys.stderr)
            return 1
        if changed:
            print(f"owners: {folder}: {changed} files and folders were root's and now belong to {owner}", flush=True)
    return 0


def give(folder: Path, uid: int, gid: int) -> int:
    """Makes the user the owner of everything of root's. Returns the number of files and folders changed."""
    if uid == ROOT or not any(_is_roots(path) for path in (folder, *folder.iterdir())):
        return 0
    changed = 0
    for path in _deepest_first(folder):
        if _is_roots(path):
            os.chown(path, uid, gid, follow_symlinks=False)
            changed += 1
    return changed


def _is_roots(path: Path) -> bool:
    return path.lstat().st_uid == ROOT


def _deepest_first(folder: Path) -> Iterator[Path]:
    """The paths below the folder, each after what is in it; then the entries of the folder; then the folder."""
    entries = list(folder.iterdir())
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            for inner, folders, files in os.walk(entry, topdown=False, onerror=_fail):
                yield from (Path(inner, name) for name in (*files, *folders))
    yield from entries
    yield folder


def _fail(error: OSError) -> None:
    raise error


if __name__ == "__main__":
    sys.exit(main())
