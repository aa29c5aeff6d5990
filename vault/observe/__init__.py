"""What the vault says about itself: one catalogue of events, and the logs, traces, metrics and telemetry that speak it.

Nothing here can hold content: an event's fields are enumerations, numbers, durations and keyed pseudonyms (G2).
"""
