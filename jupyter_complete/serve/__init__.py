"""One resident model for several kernels of a machine: the server, and the engine of a kernel that uses it."""
