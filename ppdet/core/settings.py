"""The flat run keys of a config (`epoch`, `use_ema`, `save_dir`, …), documented and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_type_hints

from ppdet.core.config import Config
from ppdet.core.config_files import BASE_KEY
from ppdet.core.errors import UserError, nearest
from ppdet.core.ranges import Count, MinusOneOrMore, Positive, Range
from ppdet.core.typecheck import check_type, converted

T = TypeVar("T")


FORMATS = ("paddle", "onnx", "openvino")


@dataclass(frozen=True)
class ExportSettings:
    """The `export:` section: the formats that are written, and what their graph holds besides the network."""

    format: str = "paddle"  # paddle, onnx, openvino; several with commas
    post_process: bool = True  # decode boxes and scores inside the graph
    nms: bool = True  # run NMS inside the graph
    benchmark: bool = False  # network only, for speed tests: switches post_process and nms off
    fuse_conv_bn: bool = False  # fold each norm into the convolution before it; ONNX and OpenVINO: always
    fuse_normalize: bool = False  # the graph takes pixels of 0..255 and normalises them itself
    input_dtype: Literal["float32", "uint8"] = "float32"  # of the image; uint8 needs fuse_normalize
    boxes: Literal["image", "input", "normalized"] = "image"  # unit: pixels of the original image (which
    # takes the input scale_factor), pixels of the network's input, 0..1 of it
    layout: Literal["flat", "4d"] = "flat"  # of outputs without post-processing: [B, h * w, C] or [B, C, h, w]
    batch_size: Annotated[int, Range(-1, 2**16)] = -1  # -1: any
    dynamic_size: bool = False  # images of any height and width, not only that of TestReader's image_shape
    opset: Annotated[int, Range(13, 20)] = 14  # of the ONNX file
    fp16: bool = False  # weights stored in half the space (ONNX, OpenVINO); they are computed with in float32

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in FORMATS:
                raise UserError(f"export.format: found {name!r}; expected some of {', '.join(FORMATS)}")

    @property
    def raw(self) -> bool:
        """Whether the graph ends with the network."""
        return self.benchmark or not self.post_process

    @property
    def formats(self) -> tuple[str, ...]:
        """The names in `format`."""
        return tuple(name.strip() for name in self.format.split(","))


@dataclass(frozen=True)
class Settings:
    """The run keys, one attribute per top-level key of the config."""

    architecture: str  # the registered model class, as in `PicoDet`
    epoch: Positive  # epochs to train

    num_classes: Annotated[int, Range(1, 2**16)] = 80
    metric: Literal["COCO", "VOC"] = "COCO"
    map_type: Literal["11point", "integral"] = "11point"  # VOC only: how the area under the curve is taken
    classwise: bool = False  # report AP per class as well
    output_eval: str | None = None  # folder for the detections of an evaluation; None: keep none

    filename: str = "model"  # the run's name: outputs go to <save_dir>/<filename>
    save_dir: str = "output"
    weights: str | None = None  # path or URL for evaluation, inference and export
    pretrain_weights: str | None = None  # path or URL training starts from
    log_iter: Positive = 20  # steps between two log lines
    accumulate_steps: Positive = 1  # batches per update; the result is that of one batch as large as all of them
    snapshot_epoch: Positive = 1  # epochs between two checkpoints (and evaluations)
    keep_last: Positive | None = None  # of the numbered checkpoints only so many are kept; None: all
    keep_best_weight: bool = True  # keep best_model beside the snapshots

    use_ema: bool = False  # evaluate and save an exponential moving average of the weights
    ema_decay: Annotated[float, Range(0, 1, exclude="high")] = 0.9998
    ema_decay_type: Literal["threshold", "normal", "exponential"] = "threshold"
    cycle_epoch: MinusOneOrMore = -1  # restart the average every so many epochs; -1: never

    device: str = "auto"  # auto, cpu, gpu, gpu:1, …; auto follows the use_* keys and what is there
    use_gpu: bool = True
    use_xpu: bool = False
    use_mlu: bool = False
    use_npu: bool = False
    worker_num: Annotated[int, Range(0, 256)] = 2  # data loading processes per device; 0: load in the main process
    seed: Count | None = None  # None: a new one each run
    amp: bool = False  # automatic mixed precision
    to_static: bool = False  # train the network as a static graph, recorded at each batch shape's first step
    norm_type: Literal["bn", "sync_bn"] = "bn"
    sync_bn: bool = False  # share batch statistics over all devices; the same as norm_type: sync_bn

    export: ExportSettings = field(default_factory=ExportSettings)

    @classmethod
    def from_config(cls, cfg: Config) -> Settings:
        """The run keys of `cfg`; its other top-level keys belong to classes and are checked by `Builder.check`.

        Raises:
            UserError: a required key is missing, or a value has the wrong type or is out of range.
        """
        if "architecture" not in cfg:
            _refuse_other_kinds(cfg)
        values = {option.name: cfg[option.name] for option in fields(cls) if option.name in cfg}
        if "export" in values:
            values["export"] = _export_settings(values["export"])
        return _checked(cls, values, prefix="")


def _refuse_other_kinds(cfg: Config) -> NoReturn:
    """Raise the UserError about a file that is no config of a detector: two kinds are easily taken for one."""
    remedy = "expected a config as in configs/picodet/"
    if isinstance(overall := cfg.get("Global"), Config) and "model" in overall:
        raise UserError(
            f"Global: this is a PaddleX config, for {overall['model']!r}; {remedy}; copy datasets, num_classes, epochs "
            "and rates to one of those"
        )
    if "Preprocess" in cfg and "label_list" in cfg:
        raise UserError(
            f"Preprocess: this is the infer_cfg of an exported model; {remedy}, the one it was trained with"
        )
    near = next((f"found {key}; " for key in cfg if key.strip("_").casefold() == "base"), "")
    raise UserError(f"architecture: required, not given; {near}expected {BASE_KEY}: <a config in configs/picodet/>")


def _export_settings(section: Any) -> ExportSettings:
    check_type(section, dict, "export")
    names = [option.name for option in fields(ExportSettings)]
    for key in section:
        if key not in names:
            raise UserError(f"export.{key}: export has no option {key!r}{nearest(key, names)}")
    return _checked(ExportSettings, section, prefix="export.")


def _checked(cls: type[T], values: Mapping[str, Any], prefix: str) -> T:
    hints = get_type_hints(cls, include_extras=True)
    for option in fields(cls):  # type: ignore[arg-type]  # T is one of the dataclasses above
        name, path = option.name, prefix + option.name
        if name in values:
            check_type(values[name], hints[name], path)
        elif option.default is MISSING and option.default_factory is MISSING:
            raise UserError(f"{path}: required, not given")
    return cls(**{name: converted(value, hints[name]) for name, value in values.items()})
