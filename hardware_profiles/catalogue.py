"""Reading device files: the shipped catalogue and a user's own."""

from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from genomes import InvalidInput
from genomes.errors import describe, unknown
from genomes.reading import parse_yaml, read_yaml
from hardware_profiles.device import FORMAT, RECOUNTED, RECOUNTED_IN, VERSION, Device
from hardware_profiles.traits import traits_of

_DEVICES = files("hardware_profiles") / "devices"
_SUFFIXES = (".yaml", ".yml")


def device_names() -> list[str]:
    """Names of the shipped devices."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in _DEVICES.iterdir() if entry.name.endswith(".yaml")
    )


def device(name_or_path: str | Path, *, also_known: tuple[str, ...] = ()) -> Device:
    """A shipped device by name, or a device file by its path (anything with a `/` or ending in .yaml).

    Raises `InvalidInput` listing the known names, with those that the caller resolves itself (`also_known`),
    or naming the file and what is wrong in it.
    """
    text = str(name_or_path)
    names = device_names()
    if text in names:
        shipped = (_DEVICES / f"{text}.yaml").read_text(encoding="utf-8")
        return read_device(parse_yaml(shipped, f"{text}.yaml"), f"{text}.yaml")
    if isinstance(name_or_path, Path) or text.endswith(_SUFFIXES) or "/" in text or "\\" in text:
        return load_device(name_or_path)
    raise unknown("device", text, [*names, *also_known], "; or the path of a .yaml file")


def load_device(path: str | Path) -> Device:
    """Read a device file. Raises `InvalidInput` naming the file, the field, the value and what is legal."""
    return read_device(read_yaml(path), str(path))


def read_device(data: object, source: str = "device") -> Device:
    """A device from the plain values of its file. Raises `InvalidInput` naming `source`."""
    if not isinstance(data, dict):
        raise InvalidInput(f"{source}: expected a mapping of fields, found {type(data).__name__}")
    fields = dict(data)
    if (format_name := fields.pop("format", None)) != FORMAT:
        raise InvalidInput(f"{source}: format = {format_name!r}; expected {FORMAT!r}")
    if (version := fields.pop("version", None)) not in range(1, VERSION + 1) or isinstance(version, bool):
        raise InvalidInput(f"{source}: version = {version!r}; this archsearch reads versions 1 to {VERSION}")
    try:
        device = Device.model_validate(fields)
    except ValidationError as error:
        unknown = any(len(e["loc"]) == 1 and e["type"] == "extra_forbidden" for e in error.errors())
        hint = f"; known fields: {', '.join(Device.model_fields)}" if unknown else ""
        raise InvalidInput(f"{source}: {describe(error)}{hint}") from None
    runtime = device.provenance.runtime if device.provenance else None
    if version > RECOUNTED_IN or not traits_of(runtime).rooflines:
        return device
    families = tuple(family for family in device.families if family.operator not in RECOUNTED)
    return device if families == device.families else device.model_copy(update={"families": families})
