"""Owns the API's manual as a page: the few marks of docs/api.md, turned into HTML."""

from __future__ import annotations

import re
from html import escape


def page_of(text: str, title: str) -> str:
    """A whole page of headings, paragraphs, lists, tables and code; everything in the text is escaped first."""
    body = "\n".join(_block(block) for block in re.split(r"(```.*?```)", text, flags=re.DOTALL))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="../page/mark.svg">'
        '<link rel="stylesheet" href="../page/style.css"><link rel="stylesheet" href="../page/manual.css"></head>'
        f'<body><main class="manual">{body}</main></body></html>'
    )


def _block(block: str) -> str:
    if block.startswith("```"):
        return f'<pre tabindex="0">{escape(block[3:-3].partition(chr(10))[2])}</pre>'
    made = []
    for part in re.split(r"\n(?=#)|\n\n|(?<=\n)(?=\|)(?<!\|\n)", block):
        lines = [line for line in part.strip().splitlines() if line.strip()]
        if not lines:
            continue
        if match := re.match(r"(#+) (.*)", lines[0]):
            made.append(f"<h{len(match[1])}>{_line(match[2])}</h{len(match[1])}>")
            lines = lines[1:]
        if lines and lines[0].startswith("|"):
            made.append(_table(lines))
        elif lines and lines[0].startswith("- "):
            made.append("<ul>" + "".join(f"<li>{_line(line[2:])}</li>" for line in lines) + "</ul>")
        elif lines:
            made.append(f"<p>{_line(' '.join(lines))}</p>")
    return "\n".join(made)


def _table(lines: list[str]) -> str:
    said = [line.strip("|").split("|") for line in lines if not set(line) <= set("|-: ")]
    rows = [[_line(cell.strip()) for cell in row] for row in said]
    head = "".join(f"<th>{cell}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f'<div class="scroll" tabindex="0"><table><tr>{head}</tr>{body}</table></div>'


def _line(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
