"""All pictures of a report, as drawings."""

import re
from collections import Counter
from itertools import combinations

from archsearch.campaign.objectives import Objective
from archsearch.campaign.results import Results
from archsearch.reporting.charts.drawing import Picture
from archsearch.reporting.charts.front import front_picture, objective_pairs
from archsearch.reporting.charts.history import hypervolume_picture
from archsearch.reporting.charts.layouts import layouts_picture


def all_pictures(results: Results) -> list[Picture]:
    """The front in each two objectives, the hypervolume and the layouts."""
    return [*front_pictures(results), hypervolume_picture(results), layouts_picture(results)]


def front_pictures(results: Results) -> list[Picture]:
    """A picture for each pair of objectives, named like `front-quality-decode_latency_s`."""
    slugs = _slugs(results.objectives)
    pairs = zip(objective_pairs(results), combinations(results.objectives, 2), strict=True)
    return [
        front_picture(results, across, upright, f"front-{slugs[first.name]}-{slugs[second.name]}")
        for (across, upright), (first, second) in pairs
    ]


def _slugs(objectives: tuple[Objective, ...]) -> dict[str, str]:
    """A short file name for each objective: its metric, with the workload where two share a metric."""
    metrics = Counter(o.metric for o in objectives)
    slugs: dict[str, str] = {}
    for objective in objectives:
        words = re.sub(r"[^\w]+", "-", objective.metric if metrics[objective.metric] == 1 else objective.name)
        slug = words.strip("-")[:60] or "objective"
        slugs[objective.name] = f"{slug}-{len(slugs) + 1}" if slug in slugs.values() else slug
    return slugs
