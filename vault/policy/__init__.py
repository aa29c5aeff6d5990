"""Policy packs: what they may say (model), how they load (pack) and combine, what they decide (decide)."""
