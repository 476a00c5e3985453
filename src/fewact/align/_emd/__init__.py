"""The solvers behind ``fewact.align.emd``: a compiled one and its plain torch form."""
