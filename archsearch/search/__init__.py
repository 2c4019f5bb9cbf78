"""What is tried next: algorithms, admission of layouts, generations."""
