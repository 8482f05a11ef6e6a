"""The OpenAPI document of this door, made of the same tables that answer."""
