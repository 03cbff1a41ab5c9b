"""Ingredients that many games share, each with its own settings."""
