"""The SQLite adapter of the store interface. `store` implements the interface; the other modules are private to it."""
