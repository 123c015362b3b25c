"""`python -m local.manifests.kubernetes`: prints a Deployment and a Service for each function of stack.yml.

The output is kept as k8s/components/functions/functions.yaml. A test fails when that file is out of date.
"""

import sys
from pathlib import Path

import yaml
from jinja2 import StrictUndefined, Template

from local.stack_file import ROOT, load

TEMPLATE = Path(__file__).with_name("function.yaml.jinja")
HEADER = "# Made from stack.yml by `python -m local.manifests.kubernetes`. Change it there.\n"
# There is no gateway with an asynchronous route, so a kick calls the function itself.
KICK_URL = "http://{function}:8080/"


def main() -> None:
    template = Template(TEMPLATE.read_text(encoding="utf-8"), undefined=StrictUndefined)
    manifests = []
    # Only the defaults: overlays change them, and the output must not depend on who runs this.
    for name, entry in load(ROOT / "stack.yml", {})["functions"].items():
        role = "worker" if "schedule" in entry.get("annotations", {}) else "api"
        environment = {**entry["environment"], "KICK_URL": KICK_URL}
        text = template.render({**entry, "name": name, "role": role, "environment": environment})
        manifests += yaml.safe_load_all(text)
    sys.stdout.write(HEADER + yaml.safe_dump_all(manifests, sort_keys=False, width=120))


if __name__ == "__main__":
    main()
