"""How right a calibrated profile of this machine is on whole models that it never saw.

    archsearch calibrate --name here --out here.yaml
    python benchmarks/latency_accuracy.py here.yaml [--models N] [--presets A B] [--context TOKENS]
        [--processes N] [--seed N] [--out FILE]

Draws random hybrids of 20 to 400 million parameters from search spaces, at widths of the calibration and
between them, and judges the predictions as `archsearch validate` does, with the profile's runtime and in its
types. For a profile of llama.cpp the spaces are narrowed to what llama.cpp loads; for one of onnxruntime,
what it does not run is drawn again. Prints the table and writes JSON.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from archsearch.cli.show import profiles as show_profiles
from genomes import Architecture, InvalidInput, Loader, Scale, accounting, deployable, preset, random_genome
from hardware_profiles import Workload, load_device
from hardware_profiles.measuring.validate import validate
from hardware_profiles.runtimes.onnx_runtime.model import check_runs
from hardware_profiles.runtimes.table import LLAMA_CPP, ONNXRUNTIME, runtime_of

SMALLEST, LARGEST = 20_000_000, 400_000_000
WIDTHS = (256, 512, 768, 1024)
BLOCKS = range(8, 25)
HEAD_DIM, VOCABULARY, CONTEXT = 64, 16384, 1024


def held_out(
    count: int,
    presets: list[str],
    seed: int,
    deploys_to: tuple[Loader, ...] = (),
    check: Callable[[Architecture], object] = accounting.parameters,
) -> list[tuple[str, Architecture]]:
    """Random hybrids by name, the same for the same seed; those of which `check` raises `InvalidInput` are
    drawn again."""
    rng = np.random.default_rng(seed)
    models: list[tuple[str, Architecture]] = []
    while len(models) < count:
        space = preset(presets[len(models) % len(presets)])
        width, blocks = int(rng.choice(WIDTHS)), int(rng.choice(BLOCKS))
        scale = Scale(
            width=width,
            head_dim=HEAD_DIM,
            blocks=blocks - blocks % 2 if deploys_to else blocks,  # layers there are of two blocks
            vocab_size=VOCABULARY,
            context=CONTEXT,
        )
        if deploys_to:
            space = deployable(space, deploys_to, scale)
        try:
            architecture = space.decode(random_genome(space, rng)).at(scale)
            check(architecture)
        except InvalidInput:
            continue
        if SMALLEST <= accounting.parameters(architecture) <= LARGEST:
            models.append((f"{space.name}-{len(models)}-w{scale.width}", architecture))
    return models


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("profile", type=Path, help="written by archsearch calibrate")
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--presets", nargs="+", help="default: hybrid and everything; lfm2, nemotron-h")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/latency_accuracy.json"))
    options = parser.parse_args()
    profile = load_device(options.profile)
    types = profile.families[0]
    runtime = runtime_of(profile)
    if runtime is LLAMA_CPP:
        models = held_out(
            options.models, options.presets or ["lfm2", "nemotron-h"], options.seed, ("llama.cpp",)
        )
    else:
        spaces = options.presets or ["hybrid", "everything"]
        if runtime is ONNXRUNTIME:
            models = held_out(options.models, spaces, options.seed, check=check_runs)
        else:
            models = held_out(options.models, spaces, options.seed)
    workload = Workload(options.context, dtype=types.dtype, weights=types.weights, cache=types.cache)
    with show_profiles.counting("measuring", Console(stderr=True)) as progress:
        judgement = validate(profile, models, workload, processes=options.processes, progress=progress)
    show_profiles.judgement(judgement, Console())
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(judgement.to_dict(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
