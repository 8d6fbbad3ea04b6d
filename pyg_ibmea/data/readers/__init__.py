"""Readers of knowledge graphs, links and vectors, one file format each."""
