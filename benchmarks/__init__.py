"""Speed and memory of the layers, losses and searches, beside other implementations.

pytest benchmarks --benchmark-only                    # quick sizes
pytest benchmarks --benchmark-only --full             # the sizes of the tables
python -m benchmarks.report RESULTS.json OUT_FOLDER   # table and plots
"""
