"""Runs the stages that run.sh lists: checked before the first one, finished ones skipped, several models at a time."""
