"""Owns how a page is put together: one file, under a policy that lets nothing in from outside, and no other script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any

from grounding.report.rows import script_json
from grounding.report.wording import esc

SCRIPTS = ("pictures.js", "answers.js", "page.js")
"""Run in this order."""


def page_of(title: str, parts: Mapping[str, str], data: Any) -> str:
    """The whole page. `parts`: pieces of HTML by their place in report.html; `data`: plain JSON for the scripts."""
    style = _resource("report.css")
    script = "(() => {\n'use strict';\n" + "\n".join(_resource(name) for name in SCRIPTS) + "})();\n"
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    hidden = {f"{name}_hidden": "" if content else "hidden" for name, content in parts.items()}
    return Template(_resource("report.html")).substitute(
        {**parts, **hidden}, title=esc(title), policy=policy, style=style, script=script, data=script_json(data)
    )


def _resource(name: str) -> str:
    return files("grounding.report").joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
