"""Asks whether vulnerabilities of the pinned packages are known: `python -m local.audit FILE...`.

A mirror of the package index that does not tell of vulnerabilities is no reason to fail, but is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """The exit code: 1 when a vulnerability is known, 2 when pip-audit itself failed."""
    audited, skipped, findings = set(), set(), []
    for file in sys.argv[1:]:
        run = subprocess.run(_command(file), capture_output=True, text=True, check=False)
        try:
            packages: list[dict[str, Any]] = json.loads(run.stdout)["dependencies"]
        except (ValueError, KeyError):
            print(f"pip-audit failed on {file}:\n{run.stderr}", file=sys.stderr)
            return 2
        for package in packages:
            (skipped if "skip_reason" in package else audited).add(package["name"])
            findings += [_finding(file, package, each) for each in package.get("vulns", [])]
    print(*findings, sep="\n", end="\n" if findings else "")
    print(f"{len(audited)} packages audited, {len(findings)} known vulnerabilities.")
    if skipped:
        print(f"{len(skipped)} packages could not be audited: this package index does not tell of vulnerabilities.")
    return 1 if findings else 0


def _command(file: str) -> list[str]:
    options = ["--disable-pip", "--require-hashes", "--format", "json", "--progress-spinner", "off"]
    return [str(Path(sys.executable).with_name("pip-audit")), *options, "--requirement", file]


def _finding(file: str, package: dict[str, Any], vulnerability: dict[str, Any]) -> str:
    fixed = ", ".join(vulnerability["fix_versions"]) or "no version"
    return f"{file}: {package['name']} {package['version']}: {vulnerability['id']}, mended in {fixed}"


if __name__ == "__main__":
    sys.exit(main())
