"""The SRPRS benchmark: sparse pairs of DBpedia graphs."""

from __future__ import annotations

from pyg_ibmea.datasets._jape_dataset import JapeBenchmark


class SRPRS(JapeBenchmark):
    r"""Pairs of DBpedia graphs with a real, sparse degree distribution, 15,000 links.

    From `"Learning to Exploit Long-term Relational Dependencies in Knowledge Graphs"
    <https://arxiv.org/abs/1905.04914>`_. Seed pairs are the published training links
    (``sup_ent_ids``, 4,500), and test pairs are all others. The same relation URI may
    occur on both sides; it is then one column of the relation bag.

    Args:
        root (str or Path): Folder of the cache, and of the raw files if :obj:`raw` is
            not given.
        pair (str, optional): The pair of graphs: :obj:`"en_fr"`, :obj:`"en_de"`,
            :obj:`"dbp_wd"`, :obj:`"dbp_yg"`. (default: :obj:`"en_fr"`)
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
        >>> SRPRS("no such folder", "en_fr")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FileNotFoundError: SRPRS needs ent_ids_1, ... in the folder ...
    """

    pairs = ("en_fr", "en_de", "dbp_wd", "dbp_yg")
    default_ratio = 0.3
    published = "SRPRS is published with RSN (https://github.com/nju-websoft/RSN)"
