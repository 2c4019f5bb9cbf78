"""Layouts as strips of cells."""

from dataclasses import replace

from archsearch.reporting.charts.strips import cells


def test_strips_say_operator_and_what_differs(results):
    lfm2 = next(c for c in results.candidates if c.name == "lfm2")
    assert [cell.label for cell in cells(lfm2)][:6] == [
        "conv 3",
        "ffn 4",
        "conv 3",
        "ffn 4",
        "attn ¼",
        "ffn 4",
    ]
    assert [cell.role for cell in cells(lfm2)] == list(lfm2.kinds)
    pattern = (
        "attention(kv=1/4,window=16,rope=no) mamba2(state=1) swiglu(8/3) skip rg_lru mlp(4,relu2=yes) "
        "attention(kv=1/4,window=16,rope=no,weights=@0,cache=@0) attention-attention s5-short_conv(3)"
    )
    assert [cell.label for cell in cells(replace(lfm2, pattern=pattern))] == [
        "attn ¼ w16 nope",
        "mamba2 s1",
        "ffn 8/3",
        "skip",
        "rg-lru",
        "mlp 4 relu²",
        "attn ¼ w16 nope w@0 c@0",
        "Δattn",
        "s5-conv",
    ]
    gone = replace(lfm2, pattern="warp_drive(1/2, x=3) swiglu(4)", kinds=("recurrence", "memoryless"))
    assert [(cell.operator, cell.role) for cell in cells(gone)] == [
        ("warp_dr…", "recurrence"),
        ("ffn", "memoryless"),
    ]
