"""What Label Studio's own checks say of a labelling configuration and of tasks: ``label_studio.py CONFIG.xml TASKS.json …``.

Runs where label-studio-sdk is installed (``scripts/check_formats.sh``); ends with 1 where anything is refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from label_studio_sdk.label_interface import LabelInterface


def problems(interface: LabelInterface, task: dict[str, Any]) -> list[str]:
    """What is wrong with a task; ``validate_task`` itself forgets to hand the annotations on."""
    found = [] if interface.validate_task({"data": task["data"]}) else ["data: a variable of the configuration is missing"]
    for made in (*task.get("annotations", []), *task.get("predictions", [])):
        found += [str(problem) for problem in interface.validate_prediction(made, return_errors=True) if problem]
    return found


def main(config: str, *files: str) -> int:
    interface = LabelInterface(Path(config).read_text(encoding="utf-8"))
    interface.validate()
    refused = 0
    for file in files:
        tasks = json.loads(Path(file).read_text(encoding="utf-8"))
        found = [f"{file}: [{i}]: {problem}" for i, task in enumerate(tasks) for problem in problems(interface, task)]
        results = sum(len(made["result"]) for task in tasks for key in ("annotations", "predictions") for made in task.get(key, []))
        print(*found, f"{file}: {len(tasks)} tasks, {results} results, {len(found)} refused", sep="\n")
        refused += len(found)
    return int(refused > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
