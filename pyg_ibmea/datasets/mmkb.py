"""The MMKB benchmark: Freebase against DBpedia or YAGO."""

from __future__ import annotations

from pyg_ibmea.datasets._jape_dataset import JapeBenchmark


class MMKB(JapeBenchmark):
    r"""Freebase against DBpedia or YAGO, with images and numeric attributes.

    From `"MMKG: Multi-Modal Knowledge Graphs" <https://arxiv.org/abs/1903.05485>`_,
    converted to JAPE's layout. Published splits take 20, 50 or 80 % of the links as
    seed pairs. A few links share an entity; they stay in the same part of the split.
    Values of attributes are in ``data.literals`` where the folder has
    ``values_1.tsv`` and ``values_2.tsv``; the attributes that they name count as
    attributes of the bag, too.

    Args:
        root (str or Path): Folder of the cache, and of the raw files if :obj:`raw` is
            not given.
        pair (str, optional): The pair of graphs: :obj:`"FB15K_DB15K"`,
            :obj:`"FB15K_YAGO15K"`. (default: :obj:`"FB15K_DB15K"`)
        raw (str or Path, optional): Folder that holds the folder of the pair; it is
            only read. (default: ``root/raw``)
        modalities (sequence of str, optional): The modalities to use, of
            :obj:`"relation"`, :obj:`"attribute"`, :obj:`"image"`, :obj:`"name"` and
            those in :obj:`features`. (default: all that have files)
        ratio (float, optional): Share of the links that are seed pairs, in (0, 1).
            (default: the published training links where the folder has ``sup_ent_ids``,
            else :obj:`0.2`)
        split_seed (int, optional): Seed of the split, independent of the seed of a
            training. (default: :obj:`0`)
        val_ratio (float, optional): Share of the seed pairs kept for validation, in
            [0, 1]. (default: :obj:`0.1`)
        num_features (int, optional): Maximum number of columns of the relation bag and
            of the attribute bag. (default: :obj:`1000`)
        image (str or Path, optional): File of image features; see
            :func:`~pyg_ibmea.data.read_features`. (default: the
            ``*_id_img_feature_dict.pkl`` or ``images.{npz,npy,h5}`` in the folder of
            the pair, if there is one)
        name (str or Path, optional): File of name features. (default: :obj:`None`)
        features (dict, optional): Files of features of other modalities, by modality.
            (default: :obj:`None`)
        transform (callable, optional): Applied to the data on every access.
            (default: :obj:`None`)
        force_reload (bool, optional): Whether to process the raw files again.
            (default: :obj:`False`)

    Raises:
        FileNotFoundError: If raw or feature files are missing; the message says which,
            where to put them and where they are published.
        ValueError: If the pair is unknown, a file is malformed (the message names file
            and line), a modality asked for is absent, or the split is impossible.

    Example:
        >>> MMKB("no such folder", "FB15K_DB15K")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FileNotFoundError: MMKB needs ent_ids_1, ... in the folder ...
    """

    pairs = ("FB15K_DB15K", "FB15K_YAGO15K")
    default_ratio = 0.2
    published = (
        "MMKB is published at https://github.com/mniepert/mmkb and, in JAPE's layout "
        "with image features, with MMEA and MEAformer "
        "(https://github.com/zjukg/MEAformer)"
    )
