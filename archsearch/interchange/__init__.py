"""What leaves archsearch and comes in: exports, and the classes of published models."""
