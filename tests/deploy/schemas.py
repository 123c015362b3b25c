"""Makes JSON schemas for kubeconform from an API server's description of its types.

They are strict: an unknown field is an error. The server itself drops such a field silently.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# The place where kubeconform looks, in its syntax.
LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"
NUMBER_OR_TEXT = {"type": ["string", "integer", "number"]}
# These may be texts or numbers, whatever type the server names.
LOOSE = ("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity")


def write(openapi: Mapping[str, Any], folder: Path) -> None:
    """Writes a schema for each kind of `/openapi/v2` into an existing folder."""
    definitions = {name: _strict(schema) for name, schema in openapi["definitions"].items()}
    definitions.update(dict.fromkeys(LOOSE, NUMBER_OR_TEXT))
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}))
    for name, schema in openapi["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            group = kind["group"].split(".")[0]
            file = "-".join(filter(None, (kind["kind"].lower(), group, kind["version"])))
            (folder / f"{file}.json").write_text(json.dumps({"$ref": f"definitions.json#/definitions/{name}"}))


def _strict(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items() if key != "properties"}
    if "$ref" in schema:
        strict["$ref"] = schema["$ref"].replace("#/definitions/", "definitions.json#/definitions/")
    if "properties" in schema:
        strict["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        strict.setdefault("additionalProperties", False)
    return strict
