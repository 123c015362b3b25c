"""What Kubernetes and Docker Compose need to know of the functions, made from stack.yml."""
