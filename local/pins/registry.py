"""Asks a registry for the digest of a tag, with the API of https://github.com/opencontainers/distribution-spec."""

import hashlib
import re

import urllib3

from local.pins.reference import DIGEST, Reference

# An index first: its digest holds for every platform.
ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
TIMEOUT = urllib3.Timeout(connect=10, read=30)
RETRIES = urllib3.Retry(3, status_forcelist=(502, 503, 504), backoff_factor=0.5, raise_on_status=False)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RegistryError(Exception):
    """A registry gave no digest. The message names the image and the reason."""


def digest(image: Reference) -> str:
    """The digest that the tag has in its registry now. Blocks up to some minutes; raises RegistryError."""
    with urllib3.PoolManager(timeout=TIMEOUT, retries=RETRIES) as http:
        try:
            return _digest(http, image)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise RegistryError(f"{image}: {error}") from error


def _digest(http: urllib3.PoolManager, image: Reference) -> str:
    url = f"{_scheme(image.registry)}://{image.registry}/v2/{image.repository}/manifests/{image.tag}"
    headers = {"Accept": ACCEPT}
    answer = http.request("HEAD", url, headers=headers)
    if answer.status == 401:
        headers["Authorization"] = f"Bearer {_token(http, image, answer.headers.get('WWW-Authenticate', ''))}"
        answer = http.request("HEAD", url, headers=headers)
    _expect_success(image, answer)
    found = answer.headers.get("Docker-Content-Digest")
    if found is None:  # a registry need not send it
        answer = http.request("GET", url, headers=headers)
        _expect_success(image, answer)
        found = f"sha256:{hashlib.sha256(answer.data).hexdigest()}"
    if not DIGEST.fullmatch(found):
        raise RegistryError(f"{image}: {image.registry} answers the digest {found!r}")
    return found


def _token(http: urllib3.PoolManager, image: Reference, challenge: str) -> str:
    """A token for everybody, from the server that the registry names."""
    fields = dict(CHALLENGE.findall(challenge))
    if not challenge.lower().startswith("bearer ") or "realm" not in fields:
        raise RegistryError(f"{image}: {image.registry} asks for a login, and this command has none: {challenge!r}")
    scope = fields.get("scope", f"repository:{image.repository}:pull")
    query = {"scope": scope} | ({"service": fields["service"]} if "service" in fields else {})
    answer = http.request("GET", fields["realm"], fields=query)
    _expect_success(image, answer)
    given = answer.json()
    token = given.get("token") or given.get("access_token")
    if not token:
        raise RegistryError(f"{image}: {fields['realm']} gives no token")
    return str(token)


def _expect_success(image: Reference, answer: urllib3.BaseHTTPResponse) -> None:
    if answer.status != 200:
        reasons = {401: "access is refused", 404: "there is no such image", 429: "too many requests: try again later"}
        reason = reasons.get(answer.status, "this was not expected")
        raise RegistryError(f"{image}: {image.registry} answers {answer.status}: {reason}")


def _scheme(registry: str) -> str:
    """Docker, too, speaks plain HTTP to a registry on the same machine only."""
    return "http" if re.fullmatch(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?", registry) else "https"
