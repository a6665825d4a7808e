"""The flat run keys of a config (`epoch`, `use_ema`, `save_dir`, …), documented and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, Literal, NoReturn, TypedDict, TypeVar, get_type_hints

from ppdet.core.config import Config
from ppdet.core.config_files import BASE_KEY
from ppdet.core.durations import seconds_of
from ppdet.core.errors import UserError, nearest
from ppdet.core.ranges import AboveZero, Count, MinusOneOrMore, NotNegative, Positive, Range
from ppdet.core.typecheck import check_type, converted

T = TypeVar("T")


VENDOR_FORMATS = ("ncnn", "mnn", "tflite", "rknn", "paddle_lite")
FORMATS = ("paddle", "onnx", "openvino", *VENDOR_FORMATS)
LOGGERS = ("tensorboard", "visualdl", "wandb", "mlflow")


@dataclass(frozen=True)
class ExportSettings:
    """The `export:` section: the formats that are written, and what their graph holds besides the network.

    Attributes:
        format: the formats to write; several with commas.
        post_process: decode boxes and scores inside the graph.
        nms: run NMS inside the graph; `none`, which PicoHeadE2E makes of true: the model needs no NMS, the image is its
            only input, and the ONNX file has only operators that small devices have.
        benchmark: the network only, for speed tests; switches post_process and nms off.
        fuse_conv_bn: fold each norm into the convolution before it, and split filters with one output channel into
            rows; ONNX and OpenVINO always do.
        fuse_normalize: the graph takes pixels of 0 to 255 and normalizes them itself.
        input_dtype: type of the image; uint8 needs fuse_normalize.
        boxes: unit of the boxes: pixels of the original image, which takes the input scale_factor; pixels of the
            network's input; or 0 to 1 of that input; null: `input` with `nms: none`, else `image`.
        layout: of the outputs without post-processing: `flat` is [B, h * w, C], `4d` is [B, C, h, w].
        batch_size: number of images; -1 for any.
        dynamic_size: take images of any height and width, not only that of TestReader's image_shape.
        opset: version of the ONNX operators.
        fp16: store the weights in half the space (not of Paddle's format); they are computed with in float32.
        tool_env: folder of a virtual environment that has the converters of vendors' formats; null: this one has them.
        thresholds: a file of `ppdet thresholds`, whose score thresholds become the defaults of the export.
    """

    format: str = "paddle"
    post_process: bool = True
    nms: bool | Literal["none"] = True
    benchmark: bool = False
    fuse_conv_bn: bool = False
    fuse_normalize: bool = False
    input_dtype: Literal["float32", "uint8"] = "float32"
    boxes: Literal["image", "input", "normalized"] | None = None
    layout: Literal["flat", "4d"] = "flat"
    batch_size: Annotated[int, Range(-1, 2**16)] = -1
    dynamic_size: bool = False
    opset: Annotated[int, Range(13, 20)] = 14
    fp16: bool = False
    tool_env: str | None = None
    thresholds: str | None = None

    def __post_init__(self) -> None:
        for name in self.formats:
            if name not in FORMATS:
                raise UserError(f"export.format: found {name!r}; expected some of {', '.join(FORMATS)}")

    @property
    def runs_nms(self) -> bool:
        """True if the graph ends with detections."""
        return self.nms is True and not self.raw

    @property
    def box_unit(self) -> str:
        """The unit of the boxes."""
        return self.boxes or "image"

    @property
    def raw(self) -> bool:
        """True if the graph ends with the network."""
        return self.benchmark or not self.post_process

    @property
    def formats(self) -> tuple[str, ...]:
        """The names in `format`."""
        return tuple(name.strip() for name in self.format.split(","))

    @property
    def vendor_formats(self) -> tuple[str, ...]:
        """Those of `formats` that a vendor's converter writes."""
        return tuple(name for name in self.formats if name in VENDOR_FORMATS)


class _Patience(TypedDict):
    patience: Positive


class EarlyStop(_Patience, total=False):
    """The value of `early_stop`: the evaluations to wait for a rise of the score by more than `min_delta`."""

    min_delta: NotNegative


@dataclass(frozen=True)
class Settings:
    """The run keys, one attribute for each top-level key of the config.

    Attributes:
        architecture: the model class.
        epoch: epochs to train.
        num_classes: number of classes of the datasets and the head.
        metric: how detections are scored: COCO's AP over ten IoUs, or VOC's at an IoU of 0.5.
        map_type: for VOC: the area under the precision-recall curve at 11 points, or exactly.
        classwise: report AP per class as well.
        output_eval: folder for the detections of an evaluation; null keeps none.
        filename: name of the run; its files go to `<save_dir>/<filename>`. The default is the name of the config file.
        save_dir: folder for the files of runs.
        weights: path, URL or name of the weights for evaluation, inference and export.
        pretrain_weights: path, URL or name of the weights that training starts from; null starts from random ones.
        remap_classes: match the classes of datasets with those of the weights by name; false refuses other lists.
        log_iter: steps between two log lines.
        log: other programs that get the figures of the log lines and evaluations: tensorboard, visualdl, wandb, mlflow.
        accumulate_steps: batches per update; the result is that of one batch as large as all of them.
        snapshot_epoch: epochs between two checkpoints, and with `--eval` between two evaluations.
        keep_last: number of numbered checkpoints that are kept; null keeps all.
        keep_best_weight: keep the best checkpoint as best_model.
        early_stop: with `--eval`: end the training after `patience` evaluations in which the score did not rise by more
            than `min_delta` (default 0), as at the last epoch; null never does.
        max_time: time after which a run is interrupted with a checkpoint, as 2h, 90m, 1h30m or 3600 s; it counts from
            the start of the run or of its continuation; null: no limit.
        use_ema: evaluate and save an exponential moving average of the weights.
        ema_decay: share of the average that an update keeps.
        ema_decay_type: `threshold` and `exponential` begin with a lower decay, `normal` has the same one throughout.
        ema_black_list: parts of names in weight files; what has one is saved as it is, without averaging.
        cycle_epoch: epochs after which the average starts again; -1 for never.
        device: auto, cpu, gpu, gpu:1, iluvatar_gpu and so on; auto follows the use_* keys and the hardware.
        use_gpu: let auto choose a GPU.
        use_xpu: let auto choose a Kunlun card.
        use_mlu: let auto choose a Cambricon card.
        use_npu: let auto choose an Ascend card.
        worker_num: data loading processes per device; 0 loads in the main process.
        seed: seed of all random numbers; null draws a new one for each run.
        amp: automatic mixed precision, if the device supports it.
        to_static: train the network as a static graph, which is recorded at the first step of each batch shape.
        norm_type: `sync_bn` shares batch statistics over all devices, `bn` does not.
        sync_bn: the same as norm_type: sync_bn.
        export: what `ppdet export` writes; see ExportSettings.
    """

    architecture: str
    epoch: Positive

    num_classes: Annotated[int, Range(1, 2**16)] = 80
    metric: Literal["COCO", "VOC"] = "COCO"
    map_type: Literal["11point", "integral"] = "11point"
    classwise: bool = False
    output_eval: str | None = None

    filename: str = "model"
    save_dir: str = "output"
    weights: str | None = None
    pretrain_weights: str | None = None
    remap_classes: bool = False
    log_iter: Positive = 20
    log: str | Sequence[str] | None = None
    accumulate_steps: Positive = 1
    snapshot_epoch: Positive = 1
    keep_last: Positive | None = None
    keep_best_weight: bool = True
    early_stop: EarlyStop | None = None
    max_time: str | AboveZero | None = None

    use_ema: bool = False
    ema_decay: Annotated[float, Range(0, 1, exclude="high")] = 0.9998
    ema_decay_type: Literal["threshold", "normal", "exponential"] = "threshold"
    ema_black_list: Sequence[str] | None = None
    cycle_epoch: MinusOneOrMore = -1

    device: str = "auto"
    use_gpu: bool = True
    use_xpu: bool = False
    use_mlu: bool = False
    use_npu: bool = False
    worker_num: Annotated[int, Range(0, 256)] = 2
    seed: Count | None = None
    amp: bool = False
    to_static: bool = False
    norm_type: Literal["bn", "sync_bn"] = "bn"
    sync_bn: bool = False

    export: ExportSettings = field(default_factory=ExportSettings)

    def __post_init__(self) -> None:
        _ = self.max_seconds
        for name in self.loggers:
            if name not in LOGGERS:
                raise UserError(f"log: found {name!r}; expected some of {', '.join(LOGGERS)}{nearest(name, LOGGERS)}")

    @property
    def loggers(self) -> tuple[str, ...]:
        """The names in `log`, each once; as text they have commas between them."""
        names = self.log.split(",") if isinstance(self.log, str) else self.log or ()
        return tuple(dict.fromkeys(name.strip() for name in names))

    @property
    def max_seconds(self) -> float | None:
        """`max_time` in seconds."""
        return None if self.max_time is None else seconds_of(self.max_time, "max_time")

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
