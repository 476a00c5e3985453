"""Conditions and cameras that are simulated on labelled videos."""
