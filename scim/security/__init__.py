"""Who is asking: bearer tokens in, a principal out."""
