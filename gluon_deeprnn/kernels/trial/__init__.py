"""The trial of a compiled library: ``python kernels/trial LIBRARY`` ends with status 0 where all results are right.

`gluon_deeprnn.kernels.libraries` runs this folder as a program, in a process of its own: a library that was built for
another processor, or is damaged, may end that process in any way it likes.  The program therefore needs nothing but
Python's standard library and the other files of this folder.
"""
