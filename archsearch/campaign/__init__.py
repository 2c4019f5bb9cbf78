"""A campaign: its file, its run directory, the events of its journal, and what follows from them."""
