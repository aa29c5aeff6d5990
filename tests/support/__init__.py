"""Helpers of the test suite: independent readers, fault injectors, identity adapters. Never shipped."""
