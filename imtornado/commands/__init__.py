"""Commands of `imtornado` that are more than a call: one module each, registered by `imtornado.cli`."""
