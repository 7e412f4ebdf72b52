"""Rich's console for texts of strangers: what they contain is shown, never obeyed."""

from collections.abc import Iterator
from typing import Any

import rich.console
from rich.segment import Segment

from rafce.foreign_text import shown


class Console(rich.console.Console):
    """A console that prints control characters of its texts as escapes, and raises where nobody reads any more."""

    def render(self, *args: Any, **kwargs: Any) -> Iterator[Segment]:
        """What is printed; only what rich itself means to steer the terminal with is left as it is."""
        for segment in super().render(*args, **kwargs):
            yield segment if segment.control else segment._replace(text=shown(segment.text))

    def on_broken_pipe(self) -> None:
        """Let the command say so: rich would end the program here."""
        raise
