"""The MMKB benchmark: Freebase against DBpedia or YAGO."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch_geometric.data import HeteroData

from pyg_ibmea.datasets._jape_dataset import JapeDataset, PathLike, check_pair


class MMKB(JapeDataset):
    r"""Freebase against DBpedia or YAGO, with images and numeric attributes.

    From `"MMKG: Multi-Modal Knowledge Graphs" <https://arxiv.org/abs/1903.05485>`_,
    converted to JAPE's layout. Published splits take 20, 50 or 80 % of the links as
    seed pairs. A few links share an entity; they stay on one side of the split.

    Args:
        root: Folder of the cache, and of the raw files if :obj:`raw` is not given.
        pair: The pair of graphs: :obj:`"FB15K_DB15K"`, :obj:`"FB15K_YAGO15K"`.
        raw: Folder that holds the folder of the pair; it is only read. By default
            ``root/raw``.
        modalities: The modalities to use, of :obj:`"relation"`, :obj:`"attribute"`,
            :obj:`"image"`, :obj:`"name"` and those in :obj:`features`; by default all
            that there are files for.
        ratio: Share of the links that are seed pairs, in (0, 1). By default the
            published training links where the folder has ``sup_ent_ids``, else 0.2.
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
        >>> MMKB("no such folder", "FB15K_DB15K")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FileNotFoundError: MMKB needs ent_ids_1, ... in the folder ...
    """

    #: The published pairs.
    pairs = ("FB15K_DB15K", "FB15K_YAGO15K")

    def __init__(
        self,
        root: PathLike,
        pair: str = "FB15K_DB15K",
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
                "MMKB is published at https://github.com/mniepert/mmkb and, in JAPE's "
                "layout with image features, with MMEA and MEAformer "
                "(https://github.com/zjukg/MEAformer). Give the folder that holds the "
                f"folder '{pair}' as raw=..., or put it there."
            ),
            modalities=modalities,
            ratio=ratio,
            default_ratio=0.2,
            split_seed=split_seed,
            val_ratio=val_ratio,
            num_features=num_features,
            features={"image": image, "name": name, **(features or {})},
            transform=transform,
            force_reload=force_reload,
        )
