"""Where users, contacts, communities and messages live: one interface (`store`), SQLite and MySQL behind it."""
