"""Whether a run's qualities hold with other weights and other data: its last rung, trained a second time.

    python benchmarks/two_seeds.py RUN_DIRECTORY [--seed 1] [--out FILE]

Every candidate and reference of the last rung is trained anew with the seeds of another campaign, each task
at the learning rate that it chose, and judged on the same validation data. Quality is computed again by the
new scores of the references, with the task weights of the run. Prints the rank correlations (Spearman's and
Kendall's) of quality and of each task's score between the two, over candidates without references, and writes
JSON.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from scipy.stats import kendalltau, spearmanr

from archsearch.campaign.directory import load_run
from archsearch.campaign.file import Campaign
from archsearch.campaign.quality import Replicates, RungScale, Scores, quality, task_scale
from archsearch.campaign.results import Candidate, Trial
from genomes import parse_layout
from proxies.training.trials import run_trial
from proxies.trial import TrialConfig, derive_seed

OUT = Path(__file__).parent / "results" / "two_seeds.json"


def replicates(
    chosen: list[Trial], candidate: Candidate, run: Campaign, other: Campaign, count: int
) -> Replicates:
    """Validation scores of each task from `count` trainings with the seeds of `other`."""
    architecture = run.trained(parse_layout(candidate.pattern))
    last = len(run.budget.rungs) - 1
    scores: dict[str, tuple[float, ...]] = {}
    for trial in chosen:
        if trial.task in scores:
            continue
        values = []
        for replicate in range(count):
            asked = trial.result.config | {"data_seed": other.data_seed(last, replicate)}
            seed = derive_seed(other.seed, architecture.bare.fingerprint, replicate)
            result = run_trial(architecture, TrialConfig.model_validate(asked), seed)
            values += [] if result.validation_score is None else [result.validation_score]
        if len(values) == count:
            scores[trial.task] = tuple(values)
    return scores


def mean(values: Replicates) -> Scores:
    """Mean score of each task."""
    return {task: sum(each) / len(each) for task, each in values.items()}


def correlation(first: list[float], second: list[float]) -> dict[str, float]:
    """Rank correlations, rounded."""
    return {
        "spearman": round(float(spearmanr(first, second).statistic), 3),
        "kendall": round(float(kendalltau(first, second).statistic), 3),
    }


def main() -> None:
    """Train, correlate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seed", type=int, default=1, help="of the other campaign")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    run = load_run(asked.run)
    results = run.results()
    other = run.campaign.model_copy(update={"seed": asked.seed})
    last = len(run.campaign.budget.rungs) - 1
    weights = {facts.task: facts.weight for facts in results.tasks}
    rows = [c for c in results.candidates if c.rung == last and "quality" in c.objectives]
    again: dict[str, Replicates] = {}
    for candidate in rows:
        mine = [t for t in results.trials if t.candidate == candidate.id]
        chosen = [trial for trial in mine if trial.rung == last and trial.chosen]
        budget = run.campaign.budget
        count = budget.reference_seeds if candidate.origin == "reference" else budget.seeds
        again[candidate.fingerprint] = replicates(chosen, candidate, run.campaign, other, count)
        print(f"{candidate.name:24} {mean(again[candidate.fingerprint])}", flush=True)
    references = [again[c.fingerprint] for c in rows if c.origin == "reference"]
    tasks = {
        facts.task: task_scale([scores[facts.task] for scores in references], facts.scale.baseline, 0.0)
        for facts in results.tasks
    }
    scale = RungScale(tasks, weights)
    searched = [c for c in rows if c.origin == "searched" and again[c.fingerprint].keys() == weights.keys()]
    second = [quality(mean(again[c.fingerprint]), scale) for c in searched]
    record: dict[str, Any] = {
        "campaign": run.campaign.name,
        "steps": run.campaign.budget.steps(last),
        "candidates": len(searched),
        "quality": correlation([c.objectives["quality"] for c in searched], [q or 0.0 for q in second]),
        "tasks": {
            task: correlation(
                [c.signals[f"score[{task}]"] for c in searched],
                [mean(again[c.fingerprint])[task] for c in searched],
            )
            for task in weights
        },
        "rows": [
            {"candidate": c.name, "quality": round(c.objectives["quality"], 3), "again": round(q or 0.0, 3)}
            for c, q in zip(searched, second, strict=True)
        ],
    }
    print(json.dumps({k: v for k, v in record.items() if k != "rows"}, indent=1))
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
