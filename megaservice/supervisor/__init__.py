"""Starting and watching the services of one machine."""
