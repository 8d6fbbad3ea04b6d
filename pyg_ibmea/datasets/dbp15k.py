"""The DBP15K benchmark: cross-lingual pairs of DBpedia."""

from __future__ import annotations

from pyg_ibmea.datasets._jape_dataset import JapeBenchmark


class DBP15K(JapeBenchmark):
    r"""DBpedia in two languages, 15,000 links per pair.

    From `"Cross-lingual Entity Alignment via Joint Attribute-Preserving Embedding"
    <https://arxiv.org/abs/1708.05045>`_, in the layout that JAPE, EVA
    (https://arxiv.org/abs/2009.13603), MCLEA, MEAformer and IBMEA share. Unlike PyG's
    dataset of the same name, it keeps URIs, attributes and images, and returns one
    :class:`~torch_geometric.data.HeteroData` (see
    :func:`~pyg_ibmea.data.to_hetero_data`) with a validation split.

    Args:
        root (str or Path): Folder of the cache, and of the raw files if :obj:`raw` is
            not given.
        pair (str, optional): The pair of graphs: :obj:`"zh_en"`, :obj:`"ja_en"`,
            :obj:`"fr_en"`. (default: :obj:`"zh_en"`)
        raw (str or Path, optional): Folder that holds the folder of the pair; it is
            only read. (default: ``root/raw``)
        modalities (sequence of str, optional): The modalities to use, of
            :obj:`"relation"`, :obj:`"attribute"`, :obj:`"image"`, :obj:`"name"` and
            those in :obj:`features`. (default: all that have files)
        ratio (float, optional): Share of the links that are seed pairs, in (0, 1).
            (default: the published training links where the folder has ``sup_ent_ids``,
            else :obj:`0.3`)
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
        >>> DBP15K("no such folder", "zh_en")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FileNotFoundError: DBP15K needs ent_ids_1, ... in the folder ...
    """

    pairs = ("zh_en", "ja_en", "fr_en")
    default_ratio = 0.3
    published = (
        "DBP15K is published with JAPE (https://github.com/nju-websoft/JAPE) and, with "
        "image features, with EVA (https://github.com/cambridgeltl/eva)"
    )
