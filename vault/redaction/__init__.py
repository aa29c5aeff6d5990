"""Finding personal data in text and replacing it: views, recognisers, detectors, operators, tokens."""
