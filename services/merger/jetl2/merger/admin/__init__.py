"""`merger admin`, `jetl2 admin`: what a person does beside the running mergers."""
