"""Makes manifests for Kubernetes and environment files for Docker Compose from stack.yml."""
