"""Somebody's own package, outside the project's folders."""
