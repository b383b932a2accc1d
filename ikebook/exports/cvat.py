"""CVAT for video 1.1: one XML file that a task made of the same video takes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from ikebook.base.files import write_text
from ikebook.exports.rle import box_of, run_lengths
from ikebook.exports.saved import SavedResult


def write_cvat(saved: SavedResult, place: Path) -> list[str]:
    """Write `cvat.xml`: in each frame a mask, as CVAT writes its own: a track that ends one frame later.

    CVAT's tracks have boxes, polygons and the like, which it draws between key frames; masks it does not. Frames are numbered as in
    the whole video, so that a task of all of it can be used for a part.
    """
    root = ET.Element("annotations")
    ET.SubElement(root, "version").text = "1.1"
    numbers = saved.numbers()
    _add_meta(ET.SubElement(root, "meta"), saved, numbers)
    step = numbers[1] - numbers[0] if len(numbers) > 1 else 1
    for number, mask in zip(numbers, saved.masks(), strict=True):
        box = box_of(mask)
        if box is None:
            continue
        left, top, width, height = box
        cut = mask[top : top + height, left : left + width]
        shape = {
            "rle": ", ".join(map(str, run_lengths(cut.ravel()))),
            "left": str(left),
            "top": str(top),
            "width": str(width),
            "height": str(height),
            "z_order": "0",
        }
        track = ET.SubElement(root, "track", id=str(len(root) - 2), label=saved.label, source="auto")
        for frame, outside in ((number, "0"), (number + step, "1")):
            told = {"frame": str(frame), "outside": outside, "occluded": "0", "keyframe": "1"}
            ET.SubElement(track, "mask", told | shape)
    ET.indent(root)
    write_text(
        place / "cvat.xml", '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    )
    return []


def _add_meta(meta: ET.Element, saved: SavedResult, numbers: list[int]) -> None:
    """Add what a task is: frames, label and size."""
    task = ET.SubElement(meta, "task")
    for name, value in (
        ("name", "".join(letter if letter.isprintable() else "?" for letter in saved.clip)),
        ("size", str(len(saved))),
        ("mode", "interpolation"),
        ("overlap", "0"),
        ("start_frame", str(numbers[0])),
        ("stop_frame", str(numbers[-1])),
        ("frame_filter", f"step={numbers[1] - numbers[0]}" if len(numbers) > 1 and numbers[1] - numbers[0] > 1 else ""),
    ):
        ET.SubElement(task, name).text = value
    label = ET.SubElement(ET.SubElement(task, "labels"), "label")
    ET.SubElement(label, "name").text = saved.label
    ET.SubElement(label, "type").text = "mask"
    ET.SubElement(label, "attributes")
    size = ET.SubElement(task, "original_size")
    ET.SubElement(size, "width").text, ET.SubElement(size, "height").text = map(str, saved.size)
