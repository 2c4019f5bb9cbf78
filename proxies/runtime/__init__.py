"""jax as a runtime that models are measured with: sessions, stacks, yardstick, probes."""
