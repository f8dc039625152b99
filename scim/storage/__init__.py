"""The store interface and its adapters: resources of one tenant, kept and found."""
