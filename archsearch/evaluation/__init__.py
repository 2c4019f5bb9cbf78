"""From candidates to scores: which trials they need, and running those on workers."""
