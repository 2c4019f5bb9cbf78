"""jax as a runtime that models are measured with: its session, its yardstick, probes of the machine."""
