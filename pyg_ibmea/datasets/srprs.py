"""The SRPRS benchmark: sparse pairs of DBpedia graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch_geometric.data import HeteroData

from pyg_ibmea.datasets._jape_dataset import JapeDataset, PathLike, check_pair


class SRPRS(JapeDataset):
    r"""Pairs of DBpedia graphs with a real, sparse degree distribution, 15,000 links.

    From `"Learning to Exploit Long-term Relational Dependencies in Knowledge Graphs"
    <https://arxiv.org/abs/1905.04914>`_. Seed pairs are the published training links
    (``sup_ent_ids``, 4,500), and test pairs all others. The same relation URI may be
    on both sides: it is then one column of the relation bag.

    Args:
        root: Folder of the cache, and of the raw files if :obj:`raw` is not given.
        pair: The pair of graphs: :obj:`"en_fr"`, :obj:`"en_de"`, :obj:`"dbp_wd"`,
            :obj:`"dbp_yg"`.
        raw: Folder that holds the folder of the pair; it is only read. By default
            ``root/raw``.
        modalities: The modalities to use, of :obj:`"relation"`, :obj:`"attribute"`,
            :obj:`"image"`, :obj:`"name"` and those in :obj:`features`; by default all
            that there are files for.
        ratio: Share of the links that are seed pairs, in (0, 1). By default the
            published training links where the folder has ``sup_ent_ids``, else 0.3.
        split_seed: Seed of the split, independent of the seed of a training.
        val_ratio: Share of the seed pairs kept for validation, in [0, 1].
        num_features: The most columns of the relation bag and of the attribute bag.
        image: File of image features (see :func:`~pyg_ibmea.data.read_features`); by
            default the ``*_id_img_feature_dict.pkl`` or ``images.{npz,npy,h5}`` in
            the folder of the pair, if there is one.
        name: File of name features.
        features: Files of features of other modalities, by modality.
        transform: Applied to the data on every access.
        force_reload: Whether to process the raw files again.

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

    #: The published pairs.
    pairs = ("en_fr", "en_de", "dbp_wd", "dbp_yg")

    def __init__(
        self,
        root: PathLike,
        pair: str = "en_fr",
        raw: PathLike | None = None,
        modalities: Sequence[str] | None = None,
        ratio: float | None = None,
        split_seed: int = 0,
        val_ratio: float = 0.1,
        num_features: int = 1000,
        image: PathLike | None = None,
        name: PathLike | None = None,
        features: Mapping[str, PathLike] | None = None,
        transform: Callable[[HeteroData], HeteroData] | None = None,
        force_reload: bool = False,
    ) -> None:
        names = check_pair(type(self).__name__, pair, self.pairs)
        folder = Path(root) / "raw" if raw is None else Path(raw)
        super().__init__(
            root,
            folder / pair,
            names,
            where=(
                "SRPRS is published with RSN "
                "(https://github.com/nju-websoft/RSN). Give the folder that holds the "
                f"folder '{pair}' as raw=..., or put it there."
            ),
            modalities=modalities,
            ratio=ratio,
            default_ratio=0.3,
            split_seed=split_seed,
            val_ratio=val_ratio,
            num_features=num_features,
            features={"image": image, "name": name, **(features or {})},
            transform=transform,
            force_reload=force_reload,
        )
