"""Weights and state in narrower types than the arithmetic's: only their bytes change."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import genomes
from archsearch.campaign.pricing import Pricing
from archsearch.campaign.sections import ObjectiveSection
from genomes import MLA, Architecture, Hyena, InvalidInput, MoE, Scale, accounting, reference
from hardware_profiles import CACHE_DTYPES, DTYPES, WEIGHT_DTYPES, Workload, device, predict
from hardware_profiles.terms import decode_terms, prefill_terms
from hardware_profiles.traits import UNMEASURED
from hardware_profiles.work import (
    ELEMENTWISE_ROWS,
    decode_work,
    prefill_work,
    state_bytes,
    weight_and_state_bytes,
    weight_bytes,
)
from hardware_profiles.workload import matrix_dtype, stored_bytes

BITS = {
    "float32": Fraction(32),
    "float16": Fraction(16),
    "bfloat16": Fraction(16),
    "int8": Fraction(17, 2),
    "int4": Fraction(9, 2),
    "q6_k": Fraction(105, 16),
}
LFM2, LLAMA = genomes.model("lfm2-1.2b"), genomes.model("llama-3.2-1b")
SMALL = [
    reference(name).layout(8).at(Scale(width=128, blocks=8, head_dim=16, vocab_size=512, context=512))
    for name in ("lfm2", "griffin", "mamba2-hybrid", "qwen3-next", "transformer++")
]

architectures = st.sampled_from([*SMALL, LFM2, LLAMA])
gpus = st.sampled_from(["h100-sxm", "rtx-4090", "l4"]).map(device)
fields = {
    "context": st.integers(1, 2000),
    "batch": st.integers(1, 16),
    "dtype": st.sampled_from(DTYPES),
    "prefill_chunk": st.integers(1, 700),
}
stored = st.sampled_from([None, *WEIGHT_DTYPES])
cached = st.sampled_from([None, *CACHE_DTYPES])
workloads = st.builds(Workload, **fields, weights=stored, cache=cached)


def with_types(workload: Workload, weights: str | None, cache: str | None) -> Workload:
    return Workload(
        workload.context, workload.batch, workload.dtype, workload.prefill_chunk, weights=weights, cache=cache
    )


# Types


@given(st.integers(0, 10**18), st.sampled_from([*WEIGHT_DTYPES, "q6_k"]))
def test_bytes_are_exact_and_rounded_up(elements, dtype):
    exact = elements * BITS[dtype] / 8
    assert exact <= stored_bytes(elements, dtype) < exact + 1


def test_blocks_of_gguf():
    """llama.cpp's own assertions: a block of 32 holds a float16 scale beside its integers, one of 256 scales
    of eight bits for each 16 elements too."""
    assert stored_bytes(32, "int8") == 2 + 32
    assert stored_bytes(32, "int4") == 2 + 32 // 2
    assert stored_bytes(256, "q6_k") == 2 + 256 // 16 + 3 * 256 // 4


@pytest.mark.parametrize(
    ("inputs", "dtype", "stored"),
    [
        (512, "q6_k", "q6_k"),
        (480, "q6_k", "int8"),
        (500, "q6_k", "float16"),
        (480, "int4", "int4"),
        (500, "int4", "float16"),
        (500, "int8", "float16"),
        (500, "bfloat16", "bfloat16"),
    ],
)
def test_what_blocks_do_not_divide_falls_back(inputs, dtype, stored):
    assert matrix_dtype(inputs, dtype) == stored


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weights": "int3"}, r"weights = 'int3'; legal: float32, float16, bfloat16, int8, int4"),
        ({"cache": "int4"}, r"cache = 'int4'; legal: float32, float16, bfloat16, int8$"),
        ({"dtype": "int4"}, r"dtype = 'int4'; legal: float32, float16, bfloat16$"),
        ({"weights": 4}, r"weights = 4"),
        ({"head": "int4"}, r"head = 'int4'; legal: q6_k$"),
    ],
)
def test_other_types_are_refused_by_name(wrong, said):
    with pytest.raises(InvalidInput, match=said):
        Workload(**wrong)


@given(st.sampled_from(WEIGHT_DTYPES), st.sampled_from(DTYPES))
def test_blocks_lie_along_the_inputs_and_what_they_do_not_divide_is_wider(weights, dtype):
    asked = Workload(dtype=dtype, weights=weights)
    blocked = weights in ("int8", "int4")
    assert asked.weight_bytes([(64, 7), (3, 32, 5)]) == stored_bytes(64 * 7 + 3 * 32 * 5, weights)
    assert asked.weight_bytes([(7, 64)]) == stored_bytes(7 * 64, "float16" if blocked else weights)
    assert asked.weight_bytes([(64,)]) == stored_bytes(64, dtype if blocked else weights)


# Prices


@settings(max_examples=40, deadline=None)
@given(architectures, st.sampled_from(DTYPES))
def test_weights_of_one_type_are_the_parameters(architecture, dtype):
    count = accounting.parameters(architecture)
    assert weight_bytes(architecture, Workload(dtype=dtype)) == stored_bytes(count, dtype)


@settings(max_examples=40, deadline=None)
@given(architectures, gpus, workloads)
def test_the_arithmetic_type_is_the_default(architecture, gpu, workload):
    spelled = with_types(workload, workload.weight_dtype, workload.cache_dtype)
    assert predict(architecture, gpu, workload) == predict(architecture, gpu, spelled)


@settings(max_examples=40, deadline=None)
@given(architectures, workloads, stored, cached)
def test_types_change_bytes_and_no_flops(architecture, workload, weights, cache):
    other = with_types(workload, weights, cache)
    for phase in (decode_work, prefill_work):
        a, b = list(phase(architecture, workload)), list(phase(architecture, other))
        assert [(w.flops, w.count, w.context_flops) for w in a] == [
            (w.flops, w.count, w.context_flops) for w in b
        ]


@settings(max_examples=40, deadline=None)
@given(architectures, gpus, workloads, stored)
def test_weights_change_weight_bytes_alone(architecture, gpu, workload, weights):
    other = UNMEASURED.shipped(with_types(workload, weights, workload.cache_dtype))
    workload = UNMEASURED.shipped(workload)
    a, b = predict(architecture, gpu, workload), predict(architecture, gpu, other)
    assert a.state_bytes == b.state_bytes
    saved = weight_bytes(architecture, workload) - weight_bytes(architecture, other)
    assert a.peak_memory_bytes.low - b.peak_memory_bytes.low == saved
    assert a.peak_memory_bytes.value - b.peak_memory_bytes.value == saved
    for phase in (decode_work, prefill_work):
        pairs = zip(phase(architecture, workload), phase(architecture, other), strict=True)
        assert all(one.context_bytes == two.context_bytes for one, two in pairs)


@settings(max_examples=40, deadline=None)
@given(architectures, workloads, cached)
def test_the_cache_changes_state_bytes_alone(architecture, workload, cache):
    other = with_types(workload, workload.weight_dtype, cache)
    elements = workload.batch * accounting.state_elements(architecture, workload.context)
    weights = weight_bytes(architecture, workload)
    state = stored_bytes(elements, other.cache_dtype)
    assert weight_and_state_bytes(architecture, other) == weights + state
    assert predict(architecture, device("l4"), other).state_bytes == state
    for phase in (decode_work, prefill_work):
        for one, two in zip(phase(architecture, workload), phase(architecture, other), strict=True):
            assert one.bytes - one.context_bytes == two.bytes - two.context_bytes


@settings(max_examples=40, deadline=None)
@given(architectures, st.sampled_from(["h100-sxm", "l4", "galaxy-s25-cpu"]), workloads)
def test_narrower_types_never_cost_more(architecture, name, workload):
    def costs(weights: str, cache: str) -> list[float]:
        at = Workload(workload.context, workload.batch, "float16", weights=weights, cache=cache)
        found = predict(architecture, device(name), at)
        prices = (found.prefill_latency_s, found.decode_latency_s, found.peak_memory_bytes)
        return [found.state_bytes, *(price.value for price in prices)]

    steps = [("float32", "float32"), ("float16", "float32"), ("float16", "float16")]
    steps += [("int8", "float16"), ("int8", "int8"), ("int4", "int8")]
    found = [costs(*step) for step in steps]
    for wide, narrow in pairwise(found):
        assert all(n <= w * (1 + 1e-9) for w, n in zip(wide, narrow, strict=True))


def test_decoding_a_model_of_four_bits():
    """Where weights are nearly all that is read, a step takes as much less as they have fewer bits."""
    at = {weights: Workload(1, dtype="float16", weights=weights) for weights in ("float16", "int4")}
    at["shipped"] = UNMEASURED.shipped(at["int4"])
    moved = {k: sum(w.count * w.bytes for w in decode_work(LLAMA, v)) for k, v in at.items()}
    table = LLAMA.width * LLAMA.vocab_size / accounting.parameters(LLAMA)
    assert moved["int4"] / moved["float16"] == pytest.approx(4.5 / 16, rel=0.02)
    assert moved["shipped"] / moved["float16"] == pytest.approx(
        (4.5 * (1 - table) + 6.5625 * table) / 16, rel=0.02
    )
    assert weight_and_state_bytes(LLAMA, at["int4"]) == pytest.approx(0.695e9, rel=0.01)


def test_a_model_of_four_bits_is_as_large_as_its_file():
    """LFM2-350M-Q4_0.gguf of huggingface.co/LiquidAI/LFM2-350M-GGUF has 219 MB, -Q8_0 379 MB and -F16 711 MB:
    what the last has beside weights (its tokenizer), the others have too. With the table in 4 bits it would
    be 202 MB."""
    model = genomes.model("lfm2-350m")
    vectors, kernels, table = 33 * 1024 + 6 * 2 * 64, 10 * 3 * 1024, 65536 * 1024
    matrices = accounting.parameters(model) - vectors - kernels - table
    four, eight, half = (UNMEASURED.shipped(Workload(weights=w)) for w in ("int4", "int8", "float16"))
    assert weight_bytes(model, four) == matrices * 9 // 16 + 210 * table // 256 + 4 * vectors + 2 * kernels
    beside = 711e6 - weight_bytes(model, half)
    assert 1e6 < beside < 3e6
    assert weight_bytes(model, four) + beside == pytest.approx(219e6, abs=0.5e6)
    assert weight_bytes(model, eight) + beside == pytest.approx(379e6, abs=0.5e6)


def test_the_head_reads_the_table_as_it_is_stored():
    """An embedding of its own keeps the type of other weights."""
    plain = Workload(1, dtype="float16", weights="int4")
    shipped, elements = UNMEASURED.shipped(plain), LFM2.width * LFM2.vocab_size
    more = stored_bytes(elements, "q6_k") - stored_bytes(elements, "int4")
    row = stored_bytes(LFM2.width, "q6_k") - stored_bytes(LFM2.width, "int4")
    for phase in (decode_work, prefill_work):
        a, b = (sum(w.count * w.bytes for w in phase(LFM2, at)) for at in (plain, shipped))
        assert b - a == more + row
    for terms in (decode_terms, prefill_terms):
        a, b = (terms(None, LFM2.width, LFM2.vocab_size, at)["weight_bytes"] for at in (plain, shipped))
        assert b - a == more
    untied = LFM2.model_copy(update={"tied_embeddings": False})
    for model in (LFM2, untied):
        assert weight_bytes(model, shipped) - weight_bytes(model, plain) == more


def test_the_prediction_names_its_types():
    found = predict(LFM2, device("l4"), Workload(dtype="float16", weights="int4")).to_dict()
    assert (found["dtype"], found["weights"], found["cache"]) == ("float16", "int4", "float16")
    assert found["head"] == "q6_k"
    assert predict(LFM2, device("l4"), Workload(weights="int8")).head == "int8"
    narrow = reference("lfm2").layout(6).at(Scale(width=96, head_dim=24, vocab_size=512))
    assert predict(narrow, device("l4"), Workload(weights="int4")).head == "int8"


# Once for all sequences


def test_a_filter_is_kept_and_read_once_for_all_sequences():
    width, context, batch = 64, 100, 8
    block = Hyena()
    model = Architecture(width=width, vocab_size=96, blocks=(block, block))
    one, many = Workload(context), Workload(context, batch)
    once = 2 * 4 * width * context
    assert batch * state_bytes(model, one) - state_bytes(model, many) == (batch - 1) * once
    assert predict(model, device("l4"), many).state_bytes == state_bytes(model, many)
    assert weight_and_state_bytes(model, many) == weight_bytes(model, many) + state_bytes(model, many)
    traffic = 4 * width * (context + 1)
    alone, together = (next(iter(decode_work(model, at))).context_bytes for at in (one, many))
    assert batch * alone - together == (batch - 1) * traffic
    terms = [decode_terms(block, width, 96, at)["state_bytes"] for at in (one, many)]
    assert terms == [alone, together]


def test_what_grows_with_the_context_is_never_below_zero():
    """A prompt of latent attention costs less from its first token on than decoding it."""
    block = MLA(heads=2, head_dim=16, rope_dim=8, rank=256)
    model = Architecture(width=64, vocab_size=96, blocks=(block,))
    for context in (1, 2, 600):
        chunk = next(iter(prefill_work(model, Workload(context))))
        assert 0 <= chunk.context_flops < chunk.flops
        assert prefill_terms(block, 64, 96, Workload(context))["dense_flops"] > 0


# Campaigns

LATENCY = {"metric": "decode_latency_s", "device": "l4", "context": 64, "dtype": "float16"}


@pytest.mark.parametrize(
    ("fields", "name", "label"),
    [
        (LATENCY, "decode_latency_s[l4,64,1,float16]", "decode latency on l4 at 64 tokens (float16)"),
        (
            LATENCY | {"weights": "int4"},
            "decode_latency_s[l4,64,1,float16,weights=int4]",
            "decode latency on l4 at 64 tokens (float16, weights int4)",
        ),
        (
            LATENCY | {"metric": "peak_memory_bytes", "weights": "int8", "cache": "int8"},
            "peak_memory_bytes[l4,64,1,float16,weights=int8,cache=int8]",
            "peak memory on l4 at 64 tokens (float16, weights int8, cache int8)",
        ),
        (
            {"metric": "state_bytes", "context": 64, "cache": "int8"},
            "state_bytes[64,1,float32,cache=int8]",
            "state at 64 tokens (int8)",
        ),
    ],
)
def test_objectives_name_the_types_that_are_given(fields, name, label):
    section = ObjectiveSection.model_validate(fields)
    axis = section.objective()
    assert (axis.name, axis.label) == (name, label)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "state_bytes", "weights": "int4"}, "state_bytes does not depend on weights"),
        ({"metric": "quality", "cache": "int8"}, "quality does not depend on cache"),
        ({"metric": "parameters", "weights": "int8"}, "parameters does not depend on weights"),
        ({"metric": "decode_flops_per_token", "weights": "int8"}, "does not depend on weights"),
        (LATENCY | {"weights": "int3"}, "'int4'"),
        (LATENCY | {"cache": "int4"}, "'int8'"),
    ],
)
def test_objectives_refuse_types_that_do_not_matter(fields, said):
    with pytest.raises(ValidationError, match=said):
        ObjectiveSection.model_validate(fields)


def test_objectives_are_priced_in_their_types():
    fields = [LATENCY, LATENCY | {"weights": "int4"}, {"metric": "state_bytes", "cache": "int8"}]
    objectives = tuple(ObjectiveSection.model_validate(each).objective() for each in fields)
    costs = Pricing(objectives, {"l4": device("l4")}).costs(LFM2)
    wide, narrow, state = (costs[o.name] for o in objectives)
    at = Workload(64, dtype="float16", weights="int4")
    assert narrow == predict(LFM2, device("l4"), at).decode_latency_s
    assert narrow.value < wide.value
    assert state.value == stored_bytes(accounting.state_elements(LFM2, 1024), "int8")


def test_a_batch_reads_more_experts_than_a_sequence() -> None:
    width, spec = 12, MoE(experts=8, top_k=2, hidden=16)
    architecture = Architecture(width=width, vocab_size=16, blocks=(spec,))

    def weights_read(work: Any, sequences: int, tokens: int) -> float:
        """Elements that the block moves, less its activations and the residual stream's."""
        moved = 2 * spec.activation_elements(width) + ELEMENTWISE_ROWS * width
        return next(iter(work)).bytes / 4 - width - sequences * tokens * moved

    for batch in (1, 3):
        workload = Workload(context=6, batch=batch)
        decode = weights_read(decode_work(architecture, workload), batch, 1)
        prefill = weights_read(prefill_work(architecture, workload), batch, 6)
        assert decode == spec.weight_traffic(width, batch)
        assert prefill == spec.weight_traffic(width, 6 * batch)
