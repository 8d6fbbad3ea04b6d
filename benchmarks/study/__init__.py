"""What the bottlenecks do, and where: a table of trainings, resumable, and its report.

python -m benchmarks.study run --raw FOLDER
python -m benchmarks.study report
"""
