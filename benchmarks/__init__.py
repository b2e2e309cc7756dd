"""Whole-process benchmarks: fsbuild and its peers side by side on the same generated projects."""
