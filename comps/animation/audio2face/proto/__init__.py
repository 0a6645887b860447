"""The wire protocol: `.proto` files and the modules that `scripts/protos` makes of them."""
