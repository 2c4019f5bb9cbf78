"""How well an architecture works, and how fast it truly is: Flax modules, tasks, training, measuring."""
