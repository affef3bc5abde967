"""The first version of the API's bodies, as pydantic models with every field described."""
