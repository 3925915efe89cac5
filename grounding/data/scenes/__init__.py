"""Drawn pictures with known answers, exactly repeatable from a seed."""
