"""Realistic results of made-up runs: real layouts, real prices of them, qualities drawn by a seed."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from archsearch.campaign.objectives import Objective
from archsearch.campaign.quality import RungScale, TaskScale, ZeroPoint, quality, quality_error
from archsearch.campaign.results import (
    Candidate,
    FinalTraining,
    HypervolumePoint,
    Offspring,
    ReferenceScore,
    Results,
    TaskFacts,
    Trial,
)
from genomes import Layout, Scale, accounting, genome_text, preset, random_genome, reference
from hardware_profiles import Workload, device, predict
from proxies.trial import ABOVE_BASELINE, TrialResult

PROXY = Scale(width=64, head_dim=16, vocab_size=256, context=64)
TARGET = Scale(width=1024, head_dim=64, blocks=32, vocab_size=65536, repeat="stretch", context=4096)
REFERENCES = ("transformer++", "lfm2", "mamba2-hybrid")
RUNGS = (60, 180)

QUALITY = Objective("quality", "max", references=REFERENCES)
LATENCY = Objective("decode_latency_s", "min", device="this-machine", context=4096)
MEMORY = Objective("peak_memory_bytes", "min", device="galaxy-s24-ultra-cpu", context=32768, at_most=2.5e9)
OBJECTIVES = (QUALITY, LATENCY, MEMORY)

BASELINES = {"text": ZeroPoint("bigram", 2.5, 0.31), "fuzzy-recall": ZeroPoint("majority", 2.079, 0.125)}
WEIGHTS = {"text": 1.0, "fuzzy-recall": 0.5}
SCALE = RungScale(
    {
        "text": TaskScale(0.3, 0.06, "deviation", 3, 0.35, 0.06, 0.012, BASELINES["text"]),
        "fuzzy-recall": TaskScale(0.3, 0.08, "noise", 3, 0.36, 0.05, 0.08, BASELINES["fuzzy-recall"]),
    },
    WEIGHTS,
)
SHARES = {"text": 0.62, "fuzzy-recall": 0.38}
FINAL_SEEDS = 3

_WORTH = {"attention": 0.8, "recurrence": 0.3, "convolution": 0.1, "memoryless": 0.1, "skip": 0.0}
_FAILURES = (
    "loss is not finite at step 41 (learning rate 0.003)",
    "loss is not finite at step 7 (learning rate 0.003)",
    "the worker was killed: out of memory",
)


def build(
    searched: int = 60,
    seed: int = 0,
    objectives: tuple[Objective, ...] = OBJECTIVES,
    finished: bool = True,
    name: str = "quickstart",
) -> Results:
    """Results of a run of `searched` candidates beside three references; some fail, some are rejected."""
    rng = np.random.default_rng(seed)
    space = preset("hybrid")
    candidates = [_judge(reference(n).layout(8), n, None, 0, 1, objectives, rng) for n in REFERENCES]
    for number in range(searched):
        genome = random_genome(space, rng)
        layout = space.decode(genome)
        luck = rng.random()
        rung = -1 if luck < 0.06 else int(luck > 0.55)
        text = genome_text(genome, space.genes_per_block)
        candidates.append(_judge(layout, "", text, number // 12, rung, objectives, rng))
    candidates = list({c.fingerprint: c for c in candidates}.values())
    front = _front(candidates, objectives)
    again = {c.id for c in candidates if c.id in front or (c.name in REFERENCES and c.rung == 1)}
    candidates = [replace(c, final=_final(c, rng)) if c.id in again else c for c in candidates]
    trials = [t for c in candidates for t in _trials(c, rng)]
    grown = np.maximum.accumulate(0.4 + 0.5 * (1 - np.exp(-np.arange(1, len(candidates) + 1) / 15)))
    return Results(
        name=name,
        campaign=_campaign(name, objectives),
        environment=_environment(),
        objectives=objectives,
        rungs=RUNGS,
        references=REFERENCES,
        candidates=tuple(candidates),
        trials=tuple(trials),
        front=front,
        reference_point=tuple(0.0 for _ in objectives),
        history=tuple(HypervolumePoint(n + 1, round(float(v), 3)) for n, v in enumerate(grown)),
        worker_time={
            "training": 402.1,
            "compilation": 61.5,
            "evaluation": 34.2,
            "start-up": 21.0,
            "other": 6.3,
            "idle": 14.4,
        },
        cached=17,
        offspring=Offspring(made=50, invalid=6, redrawn={"sharing": 4, "rule": 19}),
        seconds=291.4,
        finished=finished,
        devices={
            "this-machine": _measured().copy(),
            "galaxy-s24-ultra-cpu": device("galaxy-s24-ultra-cpu").to_dict(),
        },
        scales={0: SCALE, 1: SCALE, 2: SCALE},
        tasks=_tasks(candidates),
    )


def older() -> Results:
    """A run of before scores had a baseline: nothing tells noise, nothing was trained after the search."""
    run = build()
    scales = {
        task: TaskScale(each.mean, each.divisor, "deviation", 3, each.best, each.deviation, None, None)
        for task, each in SCALE.tasks.items()
    }
    bare = [replace(c, quality_error=None, final=None, replicates={}, breaks=None) for c in run.candidates]
    return replace(
        run,
        candidates=tuple(bare),
        scales={rung: RungScale(scales, WEIGHTS) for rung in (0, 1)},
        tasks=tuple(replace(each, scale=scales[each.task], rates=0) for each in run.tasks),
    )


def empty(**changes: Any) -> Results:
    """A run in which nothing was judged yet."""
    bare = replace(build(0), candidates=(), trials=(), front=(), history=(), worker_time={}, seconds=0.0)
    bare = replace(bare, tasks=(), scales={})
    return replace(bare, cached=0, offspring=Offspring(), reference_point=None, finished=False, **changes)


def _judge(
    layout: Layout,
    name: str,
    genome: str | None,
    generation: int,
    rung: int,
    objectives: tuple[Objective, ...],
    rng: np.random.Generator,
) -> Candidate:
    target = layout.at(TARGET)
    sizes = {"proxy": accounting.parameters(layout.at(PROXY)), "target": accounting.parameters(target)}
    latency = predict(target, device("raspberry-pi-5"), Workload(context=4096)).decode_latency_s
    memory = predict(target, device("galaxy-s24-ultra-cpu"), Workload(context=32768)).peak_memory_bytes
    kinds = tuple(block.operator.kind for block in layout)
    worth = sum(_WORTH[kind] for kind in kinds) ** 0.5 + 2.4 * float(np.log(sizes["target"] / 3e8)) - 1.3
    scores = {"text": 0.3 + 0.05 * worth, "fuzzy-recall": 0.3 + 0.12 * worth}
    luck = {"text": 0.012, "fuzzy-recall": 0.08}
    scores = {task: float(score + luck[task] * rng.standard_normal()) for task, score in scores.items()}
    if rng.random() < 0.02:
        scores["text"] -= 1.0
    replicates = dict.fromkeys(scores, 3 if name else 1)
    values = {
        "quality": quality(scores, SCALE) or 0.0,
        "decode_latency_s": latency.value,
        "peak_memory_bytes": memory.value,
    }
    intervals = {
        "decode_latency_s": (0.9 * latency.value, 1.15 * latency.value),
        "peak_memory_bytes": (memory.low, memory.high),
    }
    fingerprint = hashlib.sha256(str(layout).encode()).hexdigest()
    rejected = memory.value > 2.5e9 and not name
    failed = rung < 0 and not rejected
    priced = {
        o.name: values[o.metric] for o in objectives if not (rejected or failed) or o.metric != "quality"
    }
    cause = None
    if rejected:
        cause = (
            f"peak_memory_bytes[galaxy-s24-ultra-cpu,32768,1,float32] = {memory.value:.3e} exceeds 2.5e+09"
        )
    elif failed:
        cause = _FAILURES[int(rng.integers(len(_FAILURES)))]
    return Candidate(
        id=fingerprint[:8],
        fingerprint=fingerprint,
        name=name or fingerprint[:8],
        origin="reference" if name else "searched",
        pattern=str(layout),
        kinds=kinds,
        genome=genome,
        generation=generation,
        status="rejected" if rejected else "failed" if failed else "evaluated",
        cause=cause,
        rung=-1 if rejected else rung,
        objectives=priced,
        intervals={o.name: intervals[o.metric] for o in objectives if o.metric in intervals},
        signals={} if rejected or failed else {f"score[{task}]": score for task, score in scores.items()},
        parameters=sizes,
        quality_error=None if rejected or failed else quality_error(replicates, SCALE),
        replicates={} if rejected or failed else replicates,
        accuracies={} if rejected or failed else {task: 0.125 + score / 2 for task, score in scores.items()},
        breaks=f"peak memory = {memory.value:.3g} is above at_most = 2.5e+09"
        if name and memory.value > 2.5e9
        else None,
    )


def _final(candidate: Candidate, rng: np.random.Generator) -> FinalTraining:
    """Fresh seeds: the luck is another, so the best fall."""
    tasks = SCALE.tasks
    scores = {
        task: each.mean + 0.7 * (candidate.signals[f"score[{task}]"] - each.mean)
        for task, each in tasks.items()
    }
    scores = {
        task: float(s + 0.3 * (tasks[task].noise or 0) * rng.standard_normal()) for task, s in scores.items()
    }
    seeds = dict.fromkeys(scores, FINAL_SEEDS)
    return FinalTraining(
        scores=scores,
        spreads={task: each.noise for task, each in tasks.items()},
        replicates=seeds,
        quality=quality(scores, SCALE),
        quality_error=quality_error(seeds, SCALE),
    )


def _tasks(candidates: list[Candidate]) -> tuple[TaskFacts, ...]:
    references = [c for c in candidates if c.origin == "reference" and c.status == "evaluated"]
    return tuple(
        TaskFacts(
            task=task,
            asked_weight=weight,
            weight=weight,
            remark="",
            share=SHARES[task],
            scale=SCALE.tasks[task],
            references={
                c.name: ReferenceScore(c.signals[f"score[{task}]"], c.accuracies[task]) for c in references
            },
            lowest_rates=1,
            highest_rates=9,
            rates=12,
        )
        for task, weight in WEIGHTS.items()
    )


def _front(candidates: list[Candidate], objectives: tuple[Objective, ...]) -> tuple[str, ...]:
    signs = np.array([1.0 if o.direction == "min" else -1.0 for o in objectives])
    last = [
        c for c in candidates if c.status == "evaluated" and c.rung == len(RUNGS) - 1 and c.breaks is None
    ]
    points = np.array([[c.objectives[o.name] for o in objectives] for c in last]) * signs
    best = [
        c
        for c, p in zip(last, points, strict=True)
        if not ((points <= p).all(axis=1) & (points < p).any(axis=1)).any()
    ]
    return tuple(c.id for c in sorted(best, key=lambda c: signs[0] * c.objectives[objectives[0].name]))


def _trials(candidate: Candidate, rng: np.random.Generator) -> list[Trial]:
    trials = []
    for rung, steps in enumerate(RUNGS[: max(candidate.rung + 1, candidate.status == "failed")]):
        for task in ("text", "fuzzy-recall"):
            for rate in (1e-3, 3e-3):
                ok = candidate.status == "evaluated"
                seconds = {"training": float(2 * rng.random()), "compilation": 0.4, "evaluation": 0.1}
                result = TrialResult(
                    status="ok" if ok else "failed",
                    cause=None if ok else candidate.cause,
                    task=task,
                    metric=ABOVE_BASELINE,
                    steps=steps,
                    learning_rate=rate,
                    config={},
                    seed=0,
                    fingerprint=candidate.fingerprint,
                    data_hash="",
                    loss=2.0 + rate if ok else None,
                    accuracy=0.1 + 0.2 if ok else None,
                    score=candidate.signals[f"score[{task}]"] if ok else None,
                    validation_score=candidate.signals[f"score[{task}]"] if ok else None,
                    baseline=BASELINES[task].name,
                    baseline_loss=BASELINES[task].loss,
                    seconds=seconds,
                )
                trials.append(
                    Trial(
                        id=f"{task}-{steps}-{rate}-0",
                        candidate=candidate.fingerprint,
                        task=task,
                        rung=rung,
                        steps=steps,
                        learning_rate=rate,
                        seed=0,
                        status="ok" if ok else "failed",
                        chosen=ok and rate == 3e-3,
                        result=result,
                    )
                )
    return trials


def _campaign(name: str, objectives: tuple[Objective, ...]) -> dict[str, Any]:
    return {
        "name": name,
        "seed": 0,
        "space": {"preset": "hybrid", "blocks": 8, "deploys_to": []},
        "proxy": {"width": 64, "head_dim": 16},
        "target": {"width": 1024, "blocks": 32, "head_dim": 64, "vocab_size": 65536, "repeat": "stretch"},
        "objectives": [{"metric": o.metric, "direction": o.direction} for o in objectives],
        "tasks": [
            {"task": "text", "source": "python-stdlib", "weight": 1.0},
            {"task": "fuzzy-recall", "weight": 0.5},
        ],
        "search": {"algorithm": "nsga2", "population": 12, "generations": 3},
        "budget": {"length": 64, "batch": 16, "rungs": list(RUNGS), "learning_rates": [1e-3, 3e-3]},
        "references": list(REFERENCES),
    }


def _environment() -> dict[str, Any]:
    packages = {"jax": "0.10.2", "jaxlib": "0.10.2", "flax": "0.12.8", "ray": "2.50.0", "deap": "1.4.4"}
    return {"archsearch": "0.1.0", "python": "3.11.9", "platform": "Linux-6.1-x86_64", "packages": packages}


def _measured() -> dict[str, Any]:
    row = {"probe": "matmul", "dtype": "float32", "shape": [512, 512, 512], "flops": 2.7e8, "bytes": 3e6}
    row |= {"median_s": 0.004, "p10_s": 0.0039, "p90_s": 0.0042, "repeats": 9}
    return {
        "name": "this-machine",
        "description": "Some 2-core processor, 2 threads, measured with jax",
        "kind": "cpu",
        "calibration": "measured",
        "peak_flops_per_s": {"float32": {"value": 6.61e10, "source": "fastest of 4 matmul probes"}},
        "matvec_flops_per_s": {},
        "dram_bandwidth_bytes_per_s": {"value": 1.52e10, "source": "median of 3 matvec probes"},
        "memory_bytes": {"value": 8.4e9, "source": "memory that the system reports"},
        "cache_bytes": None,
        "power_w": None,
        "overhead_s": {"value": 1.8e-6, "source": "median of the dispatch probes"},
        "provenance": {
            "runtime": "jax-cpu",
            "runtime_version": "0.10.2",
            "processor": "Some 2-core processor",
            "threads": 2,
            "date": "2026-02-01",
            "load_average": 0.4,
            "rows": [row, row],
        },
    }
