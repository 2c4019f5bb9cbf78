"""Synthetic tasks and text: what a proxy is trained and judged on.

`make_task` builds a task from a name and plain settings; `Task` is what every one of them offers.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import cast

from genomes.errors import InvalidInput
from proxies.tasks.base import Batch as Batch
from proxies.tasks.base import Split as Split
from proxies.tasks.base import Task as Task
from proxies.tasks.baselines import Baseline as Baseline
from proxies.tasks.compression import Compression as Compression
from proxies.tasks.fuzzy_recall import FuzzyRecall as FuzzyRecall
from proxies.tasks.in_context_recall import InContextRecall as InContextRecall
from proxies.tasks.selective_copying import SelectiveCopying as SelectiveCopying
from proxies.tasks.text import Text as Text

TASKS: dict[str, type[Task]] = {
    "in-context-recall": InContextRecall,
    "fuzzy-recall": FuzzyRecall,
    "selective-copying": SelectiveCopying,
    "compression": Compression,
    "text": Text,
}


def make_task(name: str, length: int, settings: Mapping[str, object]) -> Task:
    """The task of that name for sequences of `length` tokens, its data at hand.

    Raises InvalidInput for an unknown name, a class without baselines, an unknown setting, a value of the
    wrong type or out of range, and for text that cannot be read.
    """
    if not isinstance(name, str) or name not in TASKS:
        raise InvalidInput(f"task = {name!r}; legal: {', '.join(TASKS)}")
    kind = TASKS[name]
    if not callable(getattr(kind, "baselines", None)):
        raise InvalidInput(
            f"task {name}: {kind.__module__}.{kind.__qualname__} has no baselines; legal: a method "
            "baselines(batches), which says what trivial answers get; derive the class from "
            "proxies.tasks.base.Generated, which has one, or write it"
        )
    legal = sorted(field.name for field in fields(kind) if field.name != "length")
    for setting in settings:
        if setting not in legal:
            raise InvalidInput(f"task {name}: unknown setting {setting!r}; legal: {', '.join(legal)}")
    task = cast(Callable[..., Task], kind)(length=length, **settings)
    task.check()
    return task
