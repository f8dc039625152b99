"""The interface of a store, its errors, and one package for each adapter: Cosmos DB and SQLite."""
