"""The campaign: configuration, search, executors, journal, report, export, command line."""
