"""What the command line prints: tables of values that other modules know."""
