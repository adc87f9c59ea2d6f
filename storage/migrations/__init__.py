"""Numbered migrations, each a frozen step of the schema; `storage.migrate` applies them."""
