"""The report of a run: one page, three tables and the pictures, from `Results` alone."""
