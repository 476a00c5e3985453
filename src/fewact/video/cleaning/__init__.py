"""Faults of recordings, found and corrected: light, blur, flicker, grain, bars."""
