"""The Audio2Face service: gRPC as NVIDIA's clients speak it, probes and metrics over HTTP."""
