"""The Cosmos DB adapter of the store interface: `store` implements it, and `connection` opens the database."""
