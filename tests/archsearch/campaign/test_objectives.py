"""What an objective is called: its full name, its labels and their parts."""

import pytest

from archsearch.campaign.objectives import Objective
from archsearch.campaign.sections import ObjectiveSection

REFERENCES = ("transformer++", "lfm2")


@pytest.mark.parametrize(
    ("section", "name", "direction", "unit"),
    [
        ({"metric": "quality"}, "quality", "max", ""),
        ({"metric": "parameters"}, "parameters", "min", ""),
        (
            {"metric": "decode_latency_s", "device": "this-machine", "context": 4096},
            "decode_latency_s[this-machine,4096,1,float32]",
            "min",
            "s",
        ),
        (
            {"metric": "peak_memory_bytes", "device": "l4", "batch": 8, "dtype": "float16"},
            "peak_memory_bytes[l4,1024,8,float16]",
            "min",
            "bytes",
        ),
        (
            {"metric": "state_bytes", "context": 64, "dtype": "bfloat16", "direction": "max"},
            "state_bytes[64,1,bfloat16]",
            "max",
            "bytes",
        ),
        ({"metric": "decode_flops_per_token", "context": 64}, "decode_flops_per_token[64]", "min", ""),
    ],
)
def test_objectives_have_full_names(section, name, direction, unit):
    objective = ObjectiveSection.model_validate(section).objective(REFERENCES)
    assert (objective.name, objective.direction, objective.unit) == (name, direction, unit)


@pytest.mark.parametrize(
    ("fields", "figure", "details", "short"),
    [
        ({"metric": "quality"}, "quality", "against transformer++, lfm2", "quality"),
        ({"metric": "parameters"}, "parameters", "", "parameters"),
        ({"metric": "state_bytes", "context": 64}, "state", "at 64 tokens (float32)", "state"),
        (
            {"metric": "state_bytes", "context": 64, "chosen": True},
            "state",
            "at 64 tokens (as stored)",
            "state",
        ),
        (
            {"metric": "prefill_flops_per_token", "context": 64},
            "prefill flops per token",
            "at 64 tokens",
            "prefill flops per token",
        ),
        (
            {"metric": "decode_latency_s", "device": "a on b at c", "batch": 2, "weights": "int4"},
            "decode latency",
            "on a on b at c at 1024 tokens, batch 2 (float32, weights int4)",
            "decode latency on a on b at c",
        ),
        (
            {"metric": "peak_memory_bytes", "device": "l4", "dtype": "float16"},
            "peak memory",
            "on l4 at 1024 tokens (float16)",
            "peak memory on l4",
        ),
    ],
)
def test_labels_are_made_of_parts(fields, figure, details, short):
    references = REFERENCES if fields["metric"] == "quality" else ()
    objective = Objective(**fields, direction="min", references=references)
    assert (objective.figure, objective.details, objective.short_label) == (figure, details, short)
    assert objective.label == f"{figure} {details}".rstrip()


def test_a_section_and_its_objective_say_the_same():
    fields = {"metric": "decode_latency_s", "device": "l4", "context": 64, "batch": 3, "dtype": "float16"}
    fields |= {"weights": "int4", "cache": "int8", "at_most": 1.0, "at_least": 0.5, "direction": "max"}
    objective = ObjectiveSection.model_validate(fields).objective()
    assert {key: getattr(objective, key) for key in fields} == fields
