"""What programs written for OPEA expect around the orchestrator."""
