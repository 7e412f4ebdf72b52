"""What every command says on the screen, in one place: nothing in it can steer the terminal."""

import json
import sys
from typing import Any

import click

from rafce.foreign_text import UNSAFE, brief, shown


def say(text: str, err: bool = False) -> None:
    """Print a line or several on standard output, or on standard error."""
    click.echo(shown(text), err=err)


def note(text: str) -> None:
    """Tell on standard error what the user should know."""
    say(brief(f"note: {text}"), err=True)


def say_json(value: Any) -> None:
    """Print JSON, in ASCII where standard output has no other letters."""
    is_unicode = (sys.stdout.encoding or "ascii").lower().startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=not is_unicode)
    click.echo(UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text))
