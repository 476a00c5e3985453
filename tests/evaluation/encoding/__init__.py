"""Tests of encoding: each video once, whatever its features come from."""
