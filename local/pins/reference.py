"""References to images, as Docker reads them: `[HOST[:PORT]/]NAME:TAG[@DIGEST]`."""

import re
from dataclasses import dataclass, replace

HUB = "registry-1.docker.io"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# The grammar of https://pkg.go.dev/github.com/distribution/reference, with a tag that has to be there.
REFERENCE = re.compile(
    r"(?P<name>[a-zA-Z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r":(?P<tag>\w[\w.-]{0,127})(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Reference:
    """An image by name and tag, and by digest if it is pinned."""

    name: str
    tag: str
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Raises ValueError for a text that names no tag, or no image at all."""
        if not (match := REFERENCE.fullmatch(text)):
            raise ValueError(f"{text!r} is not NAME:TAG or NAME:TAG@sha256:DIGEST")
        return cls(match["name"], match["tag"], match["digest"])

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")

    def pinned(self, digest: str) -> "Reference":
        return replace(self, digest=digest)

    @property
    def registry(self) -> str:
        """The host that serves the image."""
        return self._split()[0]

    @property
    def repository(self) -> str:
        """The name within the registry."""
        return self._split()[1]

    def _split(self) -> tuple[str, str]:
        first, slash, rest = self.name.partition("/")
        if slash and (first == "localhost" or "." in first or ":" in first):
            return first, rest
        return HUB, self.name if slash else f"library/{self.name}"
