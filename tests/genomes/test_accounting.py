"""Accounting: exact counts of published models, and closed forms written here a second time."""

from itertools import pairwise
from math import isclose, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomes import (
    KDA,
    MLA,
    MLP,
    RGLRU,
    S4D,
    S5,
    S6,
    Architecture,
    Attention,
    Difference,
    GatedDeltaNet,
    GatedLinearAttention,
    GeGLU,
    Hyena,
    HyenaX,
    HyenaY,
    InvalidInput,
    LinearAttention,
    Mamba2,
    MoE,
    Operator,
    ShortConv,
    Skip,
    SwiGLU,
    accounting,
    model,
    model_names,
    operator_table,
)
from support.closed_forms import forms, totals
from support.genome_strategies import architectures, operators

LLAMA = model("llama-3.2-1b")
contexts = st.integers(1, 300)


# Published models


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lfm2-350m", 354_483_968),
        ("lfm2-1.2b", 1_170_340_608),
        ("llama-3.2-1b", 1_235_814_400),
        ("qwen3-1.7b", 1_720_574_976),
    ],
)
def test_published_models_are_exact(name: str, parameters: int) -> None:
    assert accounting.parameters(model(name)) == parameters
    assert totals(model(name), 1)[0] == parameters


def test_every_model_is_loaded_by_its_name() -> None:
    assert model_names() == ["lfm2-1.2b", "lfm2-350m", "llama-3.2-1b", "qwen3-1.7b"]
    assert all(model(name).name == name for name in model_names())
    with pytest.raises(InvalidInput, match=r"'gpt' *; known: lfm2-1.2b, lfm2-350m, llama-3.2-1b"):
        model("gpt")


def test_mamba2_130m_is_exact() -> None:
    """Its released configuration: 24 blocks of width 768, state 128, a tied vocabulary of 50,288."""
    blocks = (Mamba2(heads=24, head_dim=64, state_dim=128),) * 24
    assert accounting.parameters(Architecture(width=768, vocab_size=50288, blocks=blocks)) == 128_989_632


def test_mamba_130m_is_exact() -> None:
    """Its released configuration: 24 blocks of width 768, a tied vocabulary of 50,280."""
    blocks = (S6(inner=1536, state_dim=16, dt_rank=48, kernel=4, gated=True),) * 24
    assert accounting.parameters(Architecture(width=768, vocab_size=50280, blocks=blocks)) == 129_135_360


def test_recurrentgemma_2b_is_exact() -> None:
    """Two RG-LRU to one local attention, all with biases."""
    ffn = GeGLU(hidden=7680, bias=True)
    recurrent = RGLRU(lru_width=2560, heads=10, bias=True)
    attention = Attention(heads=10, kv_heads=1, head_dim=256, window=2048, out_bias=True)
    mixers = [(recurrent, recurrent, attention)[i % 3] for i in range(26)]
    blocks = tuple(op for mixer in mixers for op in (mixer, ffn))
    gemma = Architecture(width=2560, vocab_size=256_000, blocks=blocks)
    assert accounting.parameters(gemma) == 2_682_862_080


def test_olmoe_is_exact() -> None:
    """OLMoE-1B-7B (arXiv 2409.02060): 6.9B parameters, 1.3B active; its QK norm spans the whole width."""
    attention = Attention(heads=16, kv_heads=16, head_dim=128, qk_norm=True)
    mixture = MoE(experts=64, top_k=8, hidden=1024, normalise=False)
    blocks = (attention, mixture) * 16
    olmoe = Architecture(width=2048, vocab_size=50304, tied_embeddings=False, blocks=blocks)
    norms = 16 * 2 * (2048 - 128)
    assert accounting.parameters(olmoe) + norms == 6_919_161_856
    idle = 16 * (64 - 8) * 3 * 2048 * 1024
    assert 6_919_161_856 - idle == 1_282_017_280
    assert mixture.weight_traffic(2048, 1) == mixture.parameters(2048) - idle // 16 == 50_462_720
    assert mixture.decode_flops(2048, 1) == 2 * 50_462_720


def test_the_mixture_of_qwen3_next_by_hand() -> None:
    """512 experts of 512, 10 chosen; a shared expert of 512 with a sigmoid gate; width 2048."""
    mixture = MoE(experts=512, top_k=10, hidden=512, shared_hidden=512, shared_gated=True)
    router, expert, gate = 2048 * 512, 3 * 2048 * 512, 2048
    assert mixture.parameters(2048) == router + 513 * expert + gate == 1_614_809_088
    assert mixture.decode_flops(2048, 4096) == 2 * (router + 11 * expert + gate) == 71_307_264


def test_a_mixer_of_lfm2_by_width() -> None:
    """Convolution `4 d^2 + 3 d`; attention `2 d^2 + 1024 d + 128` with 8 kv heads of 64."""
    for width in (1024, 2048):
        attention = Attention(heads=width // 64, kv_heads=8, head_dim=64, qk_norm=True)
        assert ShortConv(kernel=3).parameters(width) == 4 * width**2 + 3 * width
        assert attention.parameters(width) == 2 * width**2 + 1024 * width + 128


# Closed forms


def test_closed_forms_cover_every_operator() -> None:
    assert {type(block) for block in CASES} == set(operator_table().values())


CASES: list[Operator] = [
    Attention(heads=6, kv_heads=3, head_dim=10),
    Attention(heads=6, kv_heads=2, head_dim=10, qk_norm=True, window=7),
    Attention(heads=6, kv_heads=2, head_dim=10, gated=True, conv=4, out_bias=True, rotary_dim=4),
    Attention(heads=6, kv_heads=3, head_dim=8, differential=True, qk_norm=True, conv=2),
    MLA(heads=3, head_dim=6, rope_dim=4, rank=11),
    MLA(heads=3, head_dim=6, rope_dim=0, rank=11),
    Difference(plus=Attention(heads=6, kv_heads=3, head_dim=10), minus=ShortConv(kernel=5)),
    ShortConv(kernel=5),
    Hyena(kernel=4, horizon=7, filter_width=9, bands=5),
    Hyena(filter_length=11),
    HyenaX(kernel=6),
    HyenaY(kernel=128),
    RGLRU(lru_width=40, heads=5, kernel=3),
    RGLRU(lru_width=40, heads=5, bias=True),
    LinearAttention(heads=3, key_dim=5, value_dim=11),
    GatedLinearAttention(heads=3, key_dim=5, value_dim=11, gate_rank=7),
    GatedDeltaNet(key_heads=3, value_heads=6, key_dim=5, value_dim=11, conv=3),
    KDA(heads=3, key_dim=5, value_dim=11, rank=7),
    Mamba2(heads=6, head_dim=7, state_dim=9, groups=3, kernel=5),
    S4D(state_dim=14),
    S5(state_dim=18),
    S6(inner=26, state_dim=2, dt_rank=5),
    S6(inner=26, state_dim=16, dt_rank=5, kernel=3, gated=True),
    SwiGLU(hidden=33),
    GeGLU(hidden=33),
    GeGLU(hidden=33, bias=True),
    MLP(hidden=33),
    MLP(hidden=33, bias=True),
    MoE(experts=5, top_k=3, hidden=7),
    MoE(experts=4, top_k=1, hidden=7, shared_hidden=9, normalise=False),
    MoE(experts=7, top_k=3, hidden=5, shared_hidden=9, shared_gated=True),
    Skip(),
]


@pytest.mark.parametrize("op", CASES, ids=lambda op: op.name)
@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), contexts)
def test_cases_follow_their_closed_forms(op: Operator, width: int, context: int) -> None:
    found = op.parameters(width), op.decode_flops(width, context), op.state_elements(width, context)
    assert found == forms(op, width, context)


@settings(deadline=None)
@given(architectures, contexts)
def test_architectures_follow_their_closed_forms(architecture: Architecture, context: int) -> None:
    parameters, flops, state = totals(architecture, context)
    assert accounting.parameters(architecture) == parameters
    assert accounting.decode_flops_per_token(architecture, context) == flops
    assert accounting.state_elements(architecture, context) == state
    assert accounting.head_flops(architecture) == 2 * architecture.width * architecture.vocab_size


def cheaper_at_once(op: Operator, tokens: int) -> bool:
    """Whether a prompt has a cheaper form than its tokens one after the other."""
    match op:
        case MLA(rank=rank, head_dim=size):
            return rank > size
        case Hyena(filter_length=None):
            return tokens > 120
        case Difference(plus=plus, minus=minus):
            return cheaper_at_once(plus, tokens) or cheaper_at_once(minus, tokens)
        case _:
            return False


@settings(deadline=None)
@given(operators, st.integers(1, 100), st.integers(1, 60))
def test_prefill_is_the_sum_of_decoding_or_less(op: Operator, width: int, tokens: int) -> None:
    decoded = sum(op.decode_flops(width, context) for context in range(1, tokens + 1))
    counted = op.prefill_flops(width, tokens)
    if cheaper_at_once(op, tokens):
        assert tokens * op.decode_flops(width, 0) < counted < decoded
    else:
        assert counted == decoded


def test_prompts_of_latent_attention_by_hand() -> None:
    """The sizes of DeepSeek-V2-Lite: keys and values of 16 heads are made once a token, then each pair of
    tokens meets in 192 channels and 128; absorbed, it would be in 576 and 512."""
    op, width = MLA(heads=16, head_dim=128, rope_dim=64, rank=512), 2048
    query, latent, keys_and_values, out = 2048 * 16 * 192, 2048 * 576, 512 * 16 * 256, 16 * 128 * 2048
    token = 2 * (query + latent + keys_and_values + out)
    for tokens, times in ((4096, 2.04), (32768, 3.06)):
        pairs = tokens * (tokens + 1) // 2
        assert op.prefill_flops(width, tokens) == tokens * token + pairs * 2 * 16 * (192 + 128)
        absorbed = tokens * token + pairs * 2 * 16 * (576 + 512)
        assert absorbed == sum(op.decode_flops(width, t) for t in range(1, tokens + 1))
        assert absorbed / op.prefill_flops(width, tokens) == pytest.approx(times, abs=0.01)


def test_prompts_of_a_small_latent_vector_are_absorbed() -> None:
    op = MLA(heads=4, head_dim=64, rope_dim=32, rank=16)
    assert op.prefill_flops(256, 500) == sum(op.decode_flops(256, t) for t in range(1, 501))


def test_prompts_of_an_implicit_filter_by_hand() -> None:
    """Three real transforms of 65,536 numbers a channel, 32,769 complex products between them."""
    op, width, tokens = Hyena(), 1024, 32768
    token = 2 * (4 * 1024**2 + 9 * 1024 + 33 * 64 + 2 * 64**2 + 64 * 1024)
    channel = int(3 * 2.5 * 65536 * 16) + 6 * 32769
    assert op.prefill_flops(width, tokens) == tokens * token + width * channel
    direct = tokens * token + width * tokens * (tokens + 1)
    assert direct == sum(op.decode_flops(width, t) for t in range(1, tokens + 1))
    assert direct / op.prefill_flops(width, tokens) == pytest.approx(4.8, abs=0.05)


def test_each_token_of_a_prompt_adds_its_projections_and_more() -> None:
    """Where one form takes over from the other, too."""
    op = Hyena()
    longer = [op.prefill_flops(64, tokens) for tokens in range(1, 400)]
    steps = [b - a for a, b in pairwise(longer)]
    assert min(steps) > op.decode_flops(64, 0)
    assert longer[99] == sum(op.decode_flops(64, t) for t in range(1, 101))
    assert longer[199] < sum(op.decode_flops(64, t) for t in range(1, 201))


@settings(deadline=None)
@given(architectures, st.integers(1, 60))
def test_a_prompt_pays_for_the_logits_once(architecture: Architecture, tokens: int) -> None:
    blocks = sum(block.prefill_flops(architecture.width, tokens) for block in architecture.blocks)
    logits = accounting.decode_flops_per_token(architecture, 1) - sum(
        block.decode_flops(architecture.width, 1) for block in architecture.blocks
    )
    assert accounting.prefill_flops(architecture, tokens) == blocks + logits
    mean = accounting.prefill_flops_per_token(architecture, tokens)
    assert isclose(mean * tokens, accounting.prefill_flops(architecture, tokens), rel_tol=1e-12)


# State


def test_cache_of_llama() -> None:
    """16 layers x keys and values x 8 heads of 64 x 4096 tokens x 2 bytes."""
    assert accounting.state_bytes(LLAMA, 4096, bytes_per_element=2) == 134_217_728
    assert accounting.state_bytes(LLAMA, 4096) == 2 * 134_217_728
    assert accounting.state_bytes(LLAMA, 4096, 2, batch=3) == 3 * 134_217_728


def test_cache_of_the_transformer_of_star() -> None:
    """805 MB: 24 layers of full multi-head attention of width 2048 at 4096 tokens, 2 bytes."""
    blocks = (Attention(heads=32, kv_heads=32, head_dim=64), SwiGLU(hidden=5472)) * 24
    architecture = Architecture(width=2048, vocab_size=50304, blocks=blocks)
    assert accounting.state_bytes(architecture, 4096, 2) == 805_306_368


def test_cache_of_lfm2() -> None:
    """6 attention blocks, 8 heads of 64; 10 convolutions that keep two inputs."""
    for context in (1, 4096):
        cached = 6 * 2 * 8 * 64 * context + 10 * 2 * 2048
        assert accounting.state_elements(model("lfm2-1.2b"), context) == cached


def test_an_implicit_filter_keeps_all_inputs_and_its_lags_once() -> None:
    """Two rows a token beside the inputs of the short convolution; a token reads all and writes two. One of
    them is of the filter, which no sequence has for itself."""
    op, short = Hyena(), 2 * 3 * 1024
    for context in (1, 4096):
        assert op.state_elements(1024, context) == short + 1024 * context
        assert op.state_traffic(1024, context) == 2 * short + 1024 * (context + 1)
        assert op.constant_elements(1024, context) == 1024 * context
        assert op.constant_traffic(1024, context) == 1024 * (context + 1)
    assert op.parameters(1024) == 4 * 1024**2 + 9 * 1024 + 33 * 64 + 2 * 64**2 + 64 * 1024 + 4 * 64 + 1024
    explicit = Hyena(filter_length=128)
    assert explicit.state_traffic(1024, 4096) == 2 * (short + 127 * 1024)
    assert explicit.constants(1024, 4096) == {} and explicit.constant_traffic(1024, 4096) == 0
    both = Architecture(width=1024, vocab_size=96, blocks=(Difference(plus=op, minus=op), op))
    assert accounting.state_bytes(both, 4096, 2, batch=8) == 2 * 3 * (8 * (short + 2**22) + 2**22)


def test_a_window_caps_state_and_work() -> None:
    full, band = (
        Architecture(
            width=64, vocab_size=256, blocks=(Attention(heads=4, kv_heads=2, head_dim=16, window=w),)
        )
        for w in (None, 32)
    )
    for context in (1, 31, 32):
        for count in (accounting.state_elements, accounting.decode_flops_per_token, accounting.prefill_flops):
            assert count(band, context) == count(full, context)
    assert accounting.state_elements(band, 33) == accounting.state_elements(band, 10**6) == 32 * 2 * 2 * 16
    assert accounting.decode_flops_per_token(band, 33) == accounting.decode_flops_per_token(full, 32)
    slopes = {
        accounting.prefill_flops(band, t + 1) - accounting.prefill_flops(band, t) for t in range(32, 99)
    }
    assert len(slopes) == 1
    assert accounting.prefill_flops(band, 33) < accounting.prefill_flops(full, 33)


# How accounts move


def keeps_tokens(op: Operator, context: int) -> bool:
    """Whether a token after `context` ones makes the state larger."""
    match op:
        case Attention(window=window):
            return window is None or window > context
        case Difference(plus=plus, minus=minus):
            return keeps_tokens(plus, context) or keeps_tokens(minus, context)
        case Hyena(filter_length=length):
            return length is None
        case _:
            return isinstance(op, MLA)


@settings(deadline=None)
@given(architectures, contexts, st.integers(1, 300))
def test_a_longer_context_never_costs_less(architecture: Architecture, context: int, more: int) -> None:
    for count in (accounting.state_elements, accounting.decode_flops_per_token):
        assert count(architecture, context + more) >= count(architecture, context)
    shorter, longer = (accounting.prefill_flops(architecture, t) for t in (context, context + more))
    assert longer > shorter
    grows = any(keeps_tokens(block, context) for block in architecture.blocks)
    state = [accounting.state_elements(architecture, t) for t in (context, context + more)]
    assert (state[1] > state[0]) == grows


@settings(deadline=None)
@given(architectures, contexts, st.integers(1, 64), st.sampled_from([1, 2, 4]))
def test_state_bytes_are_linear_in_batch_and_size(architecture, context, batch, size) -> None:
    one, once = (
        count(architecture, context) for count in (accounting.state_elements, accounting.constant_elements)
    )
    assert accounting.state_bytes(architecture, context, size, batch) == size * (batch * one + once)


@settings(deadline=None)
@given(architectures)
def test_an_own_head_is_one_more_table(architecture: Architecture) -> None:
    fields = {name: getattr(architecture, name) for name in Architecture.model_fields}
    tied, own = (Architecture(**fields | {"tied_embeddings": value}) for value in (True, False))
    table = architecture.width * architecture.vocab_size
    assert accounting.parameters(own) - accounting.parameters(tied) == table
    assert accounting.decode_flops_per_token(own, 9) == accounting.decode_flops_per_token(tied, 9)


@settings(deadline=None)
@given(architectures, contexts)
def test_the_accounts_of_blocks_add_up(architecture: Architecture, context: int) -> None:
    rows = accounting.account(architecture, context)
    assert [(row.index, row.op) for row in rows] == [(i, b.name) for i, b in enumerate(architecture.blocks)]
    tables = (1 if architecture.tied_embeddings else 2) * architecture.vocab_size * architecture.width
    blocks = sum(row.parameters for row in rows)
    assert blocks + architecture.width + tables == accounting.parameters(architecture)
    assert sum(row.state_elements for row in rows) == accounting.state_elements(architecture, context)
    logits = accounting.head_flops(architecture)
    decoded = sum(row.decode_flops_per_token for row in rows) + logits
    assert decoded == accounting.decode_flops_per_token(architecture, context)
    prompt = sum(row.prefill_flops_per_token for row in rows) * context + logits
    assert isclose(prompt, accounting.prefill_flops(architecture, context), rel_tol=1e-9)


@settings(deadline=None)
@given(architectures, contexts)
def test_a_skip_costs_nothing(architecture: Architecture, context: int) -> None:
    fields = {name: getattr(architecture, name) for name in Architecture.model_fields}
    longer = Architecture(**fields | {"blocks": (Skip(), *architecture.blocks, Skip())})
    for count in (accounting.state_elements, accounting.decode_flops_per_token, accounting.prefill_flops):
        assert count(longer, context) == count(architecture, context)
    assert accounting.parameters(longer) == accounting.parameters(architecture)
    assert accounting.norm_parameters(Skip(), 64) == 0
    assert accounting.norm_parameters(SwiGLU(hidden=1), 64) == 64


@settings(deadline=None)
@given(operators, st.integers(1, 100), contexts)
def test_a_decoded_token_reads_its_state_and_writes_the_new(op: Operator, width: int, context: int) -> None:
    """Of what grows with the context, one row is new; all else is written whole."""
    state, longer = op.state(width, 1), op.state(width, 10_000)
    rows = {name: shape[1:] if shape != longer[name] else shape for name, shape in state.items()}
    written = sum(prod(shape) for shape in rows.values())
    assert op.state_traffic(width, context) == op.state_elements(width, context) + written


@pytest.mark.parametrize("context", [0, -1])
def test_no_context_is_refused(context: int) -> None:
    for count in (
        accounting.state_elements,
        accounting.state_bytes,
        accounting.decode_flops_per_token,
        accounting.prefill_flops,
        accounting.prefill_flops_per_token,
        accounting.account,
    ):
        with pytest.raises(InvalidInput, match=f"context = {context}; expected at least 1"):
            count(LLAMA, context)


def test_the_largest_sizes_are_still_numbers() -> None:
    """What the reader admits never overflows a float on the way to a price."""
    largest = 1 << 24
    op = Attention(heads=largest, kv_heads=largest, head_dim=largest)
    architecture = Architecture(width=1 << 20, vocab_size=1 << 22, blocks=(op,) * 100)
    assert accounting.prefill_flops_per_token(architecture, largest) < 1e300
    assert float(accounting.parameters(architecture)) > 0
