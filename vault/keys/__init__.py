"""Keys: providers that hold the root, and the keystore with everything wrapped below it."""
