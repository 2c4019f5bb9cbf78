"""The campaign: configuration, search, executors, journal, report, export, command line.

`from archsearch import load_campaign, run` and the like. A name is imported when it is first asked for:
`import archsearch` alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archsearch.campaign.file import Campaign, load_campaign
    from archsearch.campaign.results import Results
    from archsearch.campaign.status import status
    from archsearch.interchange.export import export
    from archsearch.launch import Workers, resume, run
    from archsearch.reporting.report import report
    from archsearch.training import train

__all__ = [
    "Campaign",
    "Results",
    "Workers",
    "export",
    "load_campaign",
    "report",
    "resume",
    "run",
    "status",
    "train",
]

PUBLIC = {
    "Campaign": "archsearch.campaign.file",
    "Results": "archsearch.campaign.results",
    "Workers": "archsearch.launch",
    "export": "archsearch.interchange.export",
    "load_campaign": "archsearch.campaign.file",
    "report": "archsearch.reporting.report",
    "resume": "archsearch.launch",
    "run": "archsearch.launch",
    "status": "archsearch.campaign.status",
    "train": "archsearch.training",
}
"""Module of each public name. No public name is that of a submodule, which would hide it."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("archsearch")
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
