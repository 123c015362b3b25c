"""`python -m local.manifests.kubernetes`: prints a Deployment and a Service for each function of stack.yml.

The output is kept as k8s/components/functions/functions.yaml. A test fails when that file is out of date.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template

from local.stack_file import ROOT, load

TEMPLATE = Path(__file__).with_name("function.yaml.jinja")
HEADER = "# Made from stack.yml by `python -m local.manifests.kubernetes`. Change it there.\n"
# There is no gateway with an asynchronous route, so a kick calls the function itself.
# The console calls the APIs through the router.
HERE = {"KICK_URL": "http://{function}:8080/", "API_URL": "http://router:8080"}


def main() -> None:
    template = Template(TEMPLATE.read_text(encoding="utf-8"), undefined=StrictUndefined)
    manifests = []
    # Only the defaults: overlays change them, and the output must not depend on who runs this.
    for name, entry in load(ROOT / "stack.yml", {})["functions"].items():
        environment = {key: HERE.get(key, value) for key, value in entry["environment"].items()}
        text = template.render(
            {
                **entry,
                "name": name,
                "role": _role(entry),
                "environment": environment,
                "secrets": entry.get("secrets", []),
            }
        )
        manifests += yaml.safe_load_all(text)
    sys.stdout.write(HEADER + yaml.safe_dump_all(manifests, sort_keys=False, width=120))


def _role(entry: Mapping[str, Any]) -> str:
    """What the network policies select by."""
    if "API_URL" in entry["environment"]:
        return "console"
    return "worker" if "schedule" in entry.get("annotations", {}) else "api"


if __name__ == "__main__":
    main()
