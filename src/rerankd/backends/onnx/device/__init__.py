"""How a model runs on an accelerator: shapes from a small set, buffers that stay where they are, one thread.

Everything here runs on the CPU provider too, which is how it is tested where there is no GPU.
"""
