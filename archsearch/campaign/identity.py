"""What a run is: its campaign and its data, written down when it begins and compared before it goes on."""

from collections.abc import Iterator, Mapping
from typing import Any

from archsearch.campaign.events import SessionBegan
from archsearch.campaign.file import Campaign
from genomes.errors import InvalidInput, cut
from proxies.trial import TRAINING_VERSION

EXTENDED = "search.generations"
"""Key that may grow from one session to the next: what was done is the beginning of what is asked for."""
FREE = ("budget.timeout_s", "finalists.count", "finalists.processes")
"""Keys that may change: they say how long to wait and what to measure, not what a score means."""


def recorded(campaign: Campaign) -> dict[str, Any]:
    """The campaign as the journal keeps it: plain values, every key."""
    return campaign.model_dump(mode="json")


def data_hashes(campaign: Campaign) -> dict[str, str]:
    """Hash of the data of each task, by its name. Raises `InvalidInput` where they cannot be had."""
    rate = campaign.budget.learning_rates[0]
    return {
        campaign.task_name(index): campaign.trial_config(index, 0, rate).make_task().data_hash
        for index in range(len(campaign.tasks))
    }


def data_notes(campaign: Campaign) -> list[str]:
    """What of the data was left out, a sentence each. Raises `InvalidInput` where they cannot be had."""
    rate = campaign.budget.learning_rates[0]
    return [
        f"task {campaign.task_name(index)}: {note}"
        for index in range(len(campaign.tasks))
        for note in campaign.trial_config(index, 0, rate).make_task().notes
    ]


def is_extended(campaign: Campaign, begun: SessionBegan | None) -> bool:
    """Whether the campaign asks for more generations than its last session did."""
    before = _flat(begun.campaign or {}).get(EXTENDED) if begun is not None else None
    return before is not None and campaign.search.generations > before


def check_campaign(campaign: Campaign, begun: SessionBegan | None, where: str) -> None:
    """Raise `InvalidInput` naming each key of the campaign that is not as the last session had it.

    Journals of older versions do not have it.
    """
    if begun is None or begun.campaign is None:
        return
    before, now = _flat(begun.campaign), _flat(recorded(campaign))
    changes = [
        f"{key} = {cut(str(now.get(key)))}, when the run was begun {cut(str(before.get(key)))}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and key not in FREE and not _grows(key, before, now)
    ]
    if changes:
        raise InvalidInput(
            f"{where}: {'; '.join(changes)}; legal: the campaign of the run, with more generations, another "
            "budget.timeout_s or other finalists; change it back, or begin a new run by archsearch run"
        )


def check_data(hashes: Mapping[str, str], begun: SessionBegan | None, where: str) -> None:
    """Raise `InvalidInput` naming each task whose data are not those of the last session."""
    before = (begun.data if begun is not None else None) or {}
    changes = [
        f"task {name}: its data have the hash {now}, when the run was begun {before[name]}"
        for name, now in hashes.items()
        if before.get(name, now) != now
    ]
    if changes:
        raise InvalidInput(
            f"{where}: {'; '.join(changes)}; legal: the data of the run, since scores on others cannot be "
            "compared; put the files back, or begin a new run by archsearch run"
        )


def check_training(begun: int | None, where: str) -> None:
    """Raise `InvalidInput` where trials of another version would be compared with those to come."""
    if begun not in (None, TRAINING_VERSION):
        raise InvalidInput(
            f"{where}: version of the training code = {begun}; legal: {TRAINING_VERSION}, since this "
            "archsearch judges otherwise than the one that began it; finish it with that one, see archsearch "
            f"report {where}, or begin anew by archsearch run {where}/campaign.yaml --out NEW"
        )


def _grows(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return key == EXTENDED and (now.get(key) or 0) > (before.get(key) or 0)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values by dotted key; what a later version of archsearch adds as null counts as missing."""
    return {key: value for key, value in _leaves(values) if value is not None}


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        inner = [(str(name), each) for name, each in value.items()]
    elif isinstance(value, list | tuple):
        inner = [(str(index), each) for index, each in enumerate(value)]
    else:
        yield key, value
        return
    for name, each in inner:
        yield from _leaves(each, f"{key}.{name}" if key else name)
