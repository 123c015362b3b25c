"""What both HTTP APIs share: keys, problems, parameters, pages, limits, OpenAPI."""
