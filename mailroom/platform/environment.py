"""Reads the settings from environment variables."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from decimal import InvalidOperation
from typing import Any, get_type_hints

from mailroom.errors import InvalidSetting
from mailroom.platform.settings import Settings


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings from `environ` (default: the environment of the process).

    Raises:
        InvalidSetting: the text names the variable, its value and the allowed values.
    """
    environ = os.environ if environ is None else environ
    types = get_type_hints(Settings)
    values = {}
    for field in dataclasses.fields(Settings):
        name = field.name.upper()
        text = environ.get(name, "").strip()
        if text:
            values[field.name] = _parse(name, text, types[field.name], field.metadata)
    settings = Settings(**values)
    for name in ("exec_timeout", "write_timeout"):
        _check_against_watchdog(settings, name, environ.get(name, ""))
    return settings


def _check_against_watchdog(settings: Settings, name: str, text: str) -> None:
    """Every wait must end before of-watchdog ends the call, and the lease after it. `text` is such as `55s`."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m)", text)
    if match is None:
        return  # not behind of-watchdog, or a form that only of-watchdog understands
    seconds = float(match[1]) * (60 if match[2] == "m" else 1)
    for setting in (
        "work_budget_seconds",
        "export_seconds",
        "preview_seconds",
        "smtp_data_timeout_seconds",
        "webhook_timeout_seconds",
    ):
        if getattr(settings, setting) >= seconds:
            raise InvalidSetting(
                f"{setting.upper()} ({getattr(settings, setting):g}) must be less than {name} ({text})"
            )
    if settings.send_lease_seconds <= seconds:
        raise InvalidSetting(f"SEND_LEASE_SECONDS ({settings.send_lease_seconds:g}) must be more than {name} ({text})")


def _parse(name: str, text: str, kind: type, metadata: Mapping[str, Any]) -> Any:
    try:
        value = kind(text)
    except (ValueError, InvalidOperation):
        raise InvalidSetting(f"{name} is {text!r}: not a number") from None
    choices, least = metadata["choices"], metadata["least"]
    if choices and value not in choices:
        raise InvalidSetting(f"{name} is {text!r}: must be one of {', '.join(choices)}")
    if least is not None and not value >= least:  # "not >=" also refuses NaN
        raise InvalidSetting(f"{name} is {text}: must be at least {least}")
    return value
