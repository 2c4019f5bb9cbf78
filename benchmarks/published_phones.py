"""Published speeds of whole models on phones against what the shipped profile of the phone predicts.

    python benchmarks/published_phones.py [--out FILE]

Prints a table (published, predicted, error) and writes it as JSON: `rows`, the errors of the models that the
profile was not fitted to, and the same errors for two simpler profiles of the phone: spec-only, and one share
of compute for everything. Takes a second and measures nothing.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from hardware_profiles import Device, device
from hardware_profiles.fit_efficiencies import fit_efficiencies
from hardware_profiles.published import PHASES, Comparison, Published, compare, published, published_names

OUT = Path(__file__).parent / "results" / "published_phones.json"


def row(comparison: Comparison, fitted: str) -> dict[str, Any]:
    """One cell of the published table."""
    timing = comparison.timing
    return {
        "model": timing.model,
        "context": timing.workload.context,
        "phase": timing.phase,
        "tokens_per_s": timing.tokens_per_s,
        "predicted_tokens_per_s": float(f"{comparison.tokens_per_s:.4g}"),
        "error_percent": round(100 * comparison.error, 1),
        "inside_interval": comparison.inside,
        "fitted": timing.model == fitted,
        "source": timing.source,
    }


def order_kept(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """For each column of the published table, whether the prediction ranks the models as it does."""
    kept = {}
    for phase in PHASES:
        for context in sorted({r["context"] for r in rows}):
            column = [r for r in rows if (r["phase"], r["context"]) == (phase, context)]
            ranked = sorted(column, key=lambda r: r["tokens_per_s"])
            kept[f"{phase} at {context}"] = ranked == sorted(
                ranked, key=lambda r: r["predicted_tokens_per_s"]
            )
    return kept


def judge(phone: Device, publication: Published) -> dict[str, Any]:
    """Rows, and over the models that were not fitted: mean and largest error, and the order."""
    rows = [row(c, publication.fitted) for c in compare(phone, publication.timings())]
    errors = {
        phase: [abs(r["error_percent"]) for r in rows if r["phase"] == phase and not r["fitted"]]
        for phase in PHASES
    }
    return {
        "mean_error_percent": {phase: round(sum(e) / len(e), 1) for phase, e in errors.items()},
        "largest_error_percent": {phase: max(e) for phase, e in errors.items()},
        "order_kept": order_kept(rows),
        "rows": rows,
    }


def examine(publication: Published) -> dict[str, Any]:
    """The shipped profile, and two simpler ones."""
    phone = device(publication.device)
    peaks = phone.model_copy(update={"calibration": "spec-only", "efficiency": None})
    timings = publication.timings()
    fitted = [t for t in timings if t.model == publication.fitted]
    others = [t for t in timings if t.model != publication.fitted]
    simple = fit_efficiencies(peaks, fitted, others, runtime=publication.runtime, context_apart=False)
    again = fit_efficiencies(peaks, fitted, others, runtime=publication.runtime)
    assert again.efficiency is not None
    return {
        "device": publication.device,
        "runtime": publication.runtime,
        "fitted_to": publication.fitted,
        "fitted_again": {
            "compute": again.efficiency.compute.value,
            "context": again.efficiency.context.value if again.efficiency.context else None,
            "bandwidth": again.efficiency.bandwidth.value,
        },
        **judge(phone, publication),
        "instead": {
            "spec-only": {k: v for k, v in judge(peaks, publication).items() if k != "rows"},
            "one share of compute": {k: v for k, v in judge(simple, publication).items() if k != "rows"},
        },
    }


def show(name: str, judged: dict[str, Any]) -> None:
    """The table."""
    print(f"{name}: {judged['device']}, {judged['runtime']}; fitted to {judged['fitted_to']}\n")
    print(f"{'model':14} {'context':>7} {'phase':8} {'published':>10} {'predicted':>10} {'error':>8}")
    for r in judged["rows"]:
        cell = f"{r['model']:14} {r['context']:7} {r['phase']:8} {r['tokens_per_s']:10.1f}"
        error = f"{r['predicted_tokens_per_s']:10.1f} {r['error_percent']:+7.1f}%"
        print(cell, error, "fitted" if r["fitted"] else "")
    print("\nmodels that were not fitted, error of the tokens/s")
    for label, each in {"shipped profile": judged, **judged["instead"]}.items():
        means, largest = each["mean_error_percent"], each["largest_error_percent"]
        figures = "; ".join(f"{p} mean {means[p]:.1f} %, largest {largest[p]:.1f} %" for p in PHASES)
        kept = sum(each["order_kept"].values())
        print(f"  {label:21} {figures}; order kept in {kept} of {len(each['order_kept'])} columns")


def main() -> None:
    """Compare all publications."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    judgements = {name: examine(published(name)) for name in published_names()}
    for name, each in judgements.items():
        show(name, each)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(judgements, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
