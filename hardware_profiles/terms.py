"""Terms: the work of one block, or of the head, that decides what it takes; curves are linear in them."""

from collections import defaultdict

from genomes import Operator
from genomes.operators import read_operator
from hardware_profiles.cases import HEAD, Case, Quantity
from hardware_profiles.work import chunk_flops, chunks, kept_elements, kept_traffic, weight_traffic_bytes
from hardware_profiles.workload import Workload

Terms = dict[str, float]


def decode_terms(block: Operator | None, width: int, vocab_size: int, workload: Workload) -> Terms:
    """Work of one decoded token; None is the head."""
    batch = workload.batch
    if block is None:
        return {
            "runs": 1,
            "weight_bytes": workload.head_bytes(width, vocab_size),
            "flops": 2.0 * batch * width * vocab_size,
        }
    return {
        "runs": 1,
        "weight_bytes": weight_traffic_bytes(block, width, batch, workload),
        "state_bytes": workload.bytes_of(state=kept_traffic(block, width, workload.context, batch)),
        "flops": batch * block.decode_flops(width, workload.context),
    }


def prefill_terms(block: Operator | None, width: int, vocab_size: int, workload: Workload) -> Terms:
    """Work of a prompt, chunk after chunk; None is the head.

    `context_flops` are those that grow with the tokens seen. `steps` are tokens one after the other, whatever
    the batch; `row_bytes` the intermediate results.
    """
    item, batch = workload.bytes_per_element, workload.batch
    terms: Terms = defaultdict(float)
    for start, end in chunks(workload):
        tokens = end - start
        terms["runs"] += 1
        if block is None:
            terms["row_bytes"] += 2 * item * batch * tokens * width
            continue
        flops = batch * chunk_flops(block, width, start, end)
        dense = batch * tokens * block.prefill_flops(width, 1)
        terms["weight_bytes"] += weight_traffic_bytes(block, width, batch * tokens, workload)
        terms["dense_flops"] += min(dense, flops)
        terms["context_flops"] += max(0, flops - dense)
        terms["state_bytes"] += 2 * workload.bytes_of(state=kept_elements(block, width, end, batch))
        terms["row_bytes"] += item * batch * tokens * (2 * block.activation_elements(width) + 4 * width)
        terms["steps"] += tokens
    if block is None:
        terms["weight_bytes"] = workload.head_bytes(width, vocab_size)
    return dict(terms)


def working_terms(block: Operator | None, width: int, vocab_size: int, workload: Workload) -> Terms:
    """What the last chunk of a prompt, the hungriest, keeps at once; None is the head."""
    item, batch = workload.bytes_per_element, workload.batch
    tokens = min(workload.context, workload.prefill_chunk)
    rows = {"runs": 1.0, "stream_bytes": float(item * batch * tokens * width)}
    if block is None:
        return rows | {"logit_bytes": item * batch * vocab_size}
    end = workload.context
    start = end - ((end - 1) % workload.prefill_chunk + 1)
    flops = batch * chunk_flops(block, width, start, end)
    return rows | {
        "row_bytes": item * batch * tokens * block.activation_elements(width),
        "context_flops": max(0.0, flops - batch * (end - start) * block.prefill_flops(width, 1)),
        "state_bytes": workload.bytes_of(state=kept_elements(block, width, end, batch)),
    }


_TERMS = {"prefill": prefill_terms, "decode": decode_terms, "working": working_terms}


def terms(
    quantity: Quantity, block: Operator | None, width: int, vocab_size: int, workload: Workload
) -> Terms:
    """The work of a block, or of the head (None), that decides a quantity."""
    return _TERMS[quantity](block, width, vocab_size, workload)


def terms_of(case: Case, quantity: Quantity) -> Terms:
    """The work of one block of a case."""
    block = None if case.operator == HEAD else read_operator(case.block, case.width, "case")
    return terms(quantity, block, case.width, case.vocab_size, case.workload)
