"""The summary that every folder of reports carries: what it holds, and so whether it may be replaced."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rafce.folder import names_in
from rafce_reports.save import save_text

SUMMARY = "summary.json"


def write_summary(folder: Path, schema: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write `summary.json` as the folder's last file and return it: its schema, the facts, all files by name."""
    files = sorted([SUMMARY, *(path.name for path in folder.iterdir())])
    summary = {"schema": schema, **facts, "files": files}
    save_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", folder, SUMMARY)
    return summary


def holds_only(folder: Path, schema: str) -> bool:
    """Whether a folder holds what `write_summary` listed for this schema, of any version, and nothing of the user's."""
    kind = schema.partition("/")[0]
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        is_ours = str(summary["schema"]).startswith(f"{kind}/")
        return is_ours and names_in(folder) <= set(summary["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return False
