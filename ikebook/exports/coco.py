"""COCO: one JSON file with the image of each frame and the object's mask in it, run-length encoded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ikebook.base.files import write_text
from ikebook.exports.rle import box_of, coco_text
from ikebook.exports.saved import SavedResult


def write_coco(saved: SavedResult, place: Path) -> list[str]:
    """Write `coco.json`; a frame without object has an image and no annotation."""
    w, h = saved.size
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (name, mask) in enumerate(zip(saved.file_names(), saved.masks(), strict=True), 1):
        images.append({"id": number, "file_name": name, "width": w, "height": h})
        box = box_of(mask)
        if box is None:
            continue
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": 1,
                "segmentation": {"size": [h, w], "counts": coco_text(mask)},
                "area": int(mask.sum()),
                "bbox": list(box),
                "iscrowd": 0,
                "track_id": 1,
            }
        )
    content = {
        "info": {"description": f"{saved.clip}, segmented by ikebook"},
        "licenses": [],
        "categories": [{"id": 1, "name": saved.label, "supercategory": "object"}],
        "images": images,
        "annotations": annotations,
    }
    write_text(place / "coco.json", json.dumps(content) + "\n")
    return []
