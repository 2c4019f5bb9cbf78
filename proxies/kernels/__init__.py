"""The token-mixing kernels behind the operators, each beside its naive reference."""
