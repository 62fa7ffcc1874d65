"""Tests of nacre.live."""
