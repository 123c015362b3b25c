"""Reads metrics as Prometheus would."""

from __future__ import annotations

from mailroom.platform.metrics import Metrics


def values(metrics: Metrics) -> dict[str, float]:
    """The values as `name` or `name{label value,…}`."""
    found = {}
    for family in metrics.collect():
        for sample in family.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
