"""Decisions: what several consumers of one stream said of an item, joined and decided."""
