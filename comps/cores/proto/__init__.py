"""OPEA's import paths of documents and protocol models."""
