"""What scores are measured with at a rung, by the verdicts of the references, and what to say of it."""

from collections.abc import Mapping, Sequence

from archsearch.campaign.quality import FEWEST_REFERENCES, RungScale, TaskScale, task_scale
from archsearch.campaign.verdict import Verdict, baseline


def task_scales(
    references: Sequence[Verdict],
    resolutions: Mapping[str, float],
    after_search: bool = False,
    noises: Mapping[str, float | None] | None = None,
) -> dict[str, TaskScale]:
    """The scale of each task by the references that were trained; `noises` are those of another rung, for
    where each reference was trained with one seed."""
    trained = [each for each in references if each.replicates is not None]
    baselines = {
        record.task: baseline(record.result, after_search)
        for each in trained
        for record in (each.chosen or {}).values()
    }
    return {
        task: task_scale(
            [each.replicates[task] for each in trained if each.replicates and task in each.replicates],
            baselines[task],
            resolutions[task],
            (noises or {}).get(task),
        )
        for task in baselines
    }


def weights_in_effect(tasks: Mapping[str, TaskScale], asked: Mapping[str, float]) -> dict[str, float]:
    """The campaign's weights, 0 for a task that no reference masters.

    They stay as asked where nothing is mastered: candidates must be told apart, and `remarks` says so.
    """
    weights = {task: asked[task] if scale.mastered else 0.0 for task, scale in tasks.items()}
    return weights if any(weights.values()) else {task: asked[task] for task in tasks}


def why_no_weight(scale: TaskScale) -> str:
    """Why a task that nothing masters has no weight, in words."""
    name = (scale.baseline and scale.baseline.name) or "the baseline"
    noise = 0.0 if scale.noise is None else scale.noise
    return (
        f"the best reference scores {scale.best:.3f}, where 0 is {name} and one training's noise is "
        f"{noise:.3f}"
    )


def unlearned(scale: RungScale, steps: int) -> str:
    """Why qualities of the last rung are not to be believed where no task is mastered, and what to do."""
    causes = "; ".join(f"{task}: {why_no_weight(each)}" for task, each in scale.tasks.items())
    return (
        f"No reference masters a task within {steps} steps, so quality is noise and the front means nothing: "
        f"{causes}; give more steps (the last of budget.rungs) or make the tasks easier (their settings)."
    )


def remarks(scales: Mapping[int, RungScale], rungs: Sequence[int]) -> list[str]:
    """What a reader of qualities has to know of their scales, a sentence each."""
    sentences = []
    for rung, steps in enumerate(rungs):
        if (scale := scales.get(rung)) is None:
            continue
        idle = [task for task, each in scale.tasks.items() if not each.mastered]
        if idle and len(idle) == len(scale.tasks):
            sentences.append(
                f"At {steps} steps no reference masters any task: weights count there as the campaign asks."
                if rung < len(rungs) - 1
                else unlearned(scale, steps)
            )
        elif rung == len(rungs) - 1:
            sentences += [
                f"{task} has no weight at {steps} steps: {why_no_weight(scale.tasks[task])}." for task in idle
            ]
    if (scale := scales.get(len(rungs) - 1)) is not None:
        sentences += _few_references(scale)
    return sentences


def _few_references(scale: RungScale) -> list[str]:
    counts = [each.references for each in scale.tasks.values() if each.deviation is None]
    if not counts:
        return []
    trained = "one reference was" if min(counts) == 1 else f"{min(counts)} references were"
    sentence = (
        f"Only {trained} trained, and a deviation takes {FEWEST_REFERENCES}: one of quality is the noise of "
        "one training."
    )
    return [sentence]
